"""The queue: relay (outbox to RQ), drains, deliveries, notifications, scans, fetched and drawn files. Nothing else imports rq."""
