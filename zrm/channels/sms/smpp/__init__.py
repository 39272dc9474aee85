"""SMPP 3.4 straight to a network's message centre (SMSC). See docs/adr/0006-smpp-lines.md."""
