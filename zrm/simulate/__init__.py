"""Real traffic at a running hub's doors, spoken as the real senders speak it; for demonstrations, faults and measurements."""
