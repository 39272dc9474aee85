"""The side of the installation that citizens meet, one for every channel: receive, track, prove."""
