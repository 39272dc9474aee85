"""The queue: relay (outbox to RQ), drains, deliveries, notifications, timers. Nothing else imports rq."""
