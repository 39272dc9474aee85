"""T1: receipts, raw contacts, tracking codes, quarantine; and what doors keep besides contacts. A contact is durable
here before its sender is answered.
"""
