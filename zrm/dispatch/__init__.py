"""Background work: the relay (outbox to RQ), task runners, deliveries, notifications, virus scans, fetched and rendered
files. No other package imports rq.
"""
