"""The records: person, case, contact, attachment, subject, unit, agent, history, delivery, outbox."""
