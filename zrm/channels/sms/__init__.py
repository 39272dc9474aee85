"""SMS by Twilio: a signed webhook inwards, Twilio's API outwards, delivery reports back in."""
