"""SMS by Twilio, by a provider's HTTP gateway or by SMPP: texts in, answers out, delivery reports back in."""
