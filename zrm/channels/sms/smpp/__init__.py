"""SMPP 3.4 directly to a network's message centre (SMSC). See docs/adr/0006-smpp-lines.md."""
