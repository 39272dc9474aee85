"""Real traffic to a running hub's doors, in the real senders' protocols; for demonstrations, fault tests and
measurements.
"""
