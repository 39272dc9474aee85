"""T1: receipts, raw contacts, tracking codes, quarantine. A contact is durable here before its sender is answered."""
