"""The side of the house that citizens meet, one for every channel: receive, track, prove."""
