"""The simulated senders, at the doors of a hub that really runs."""
