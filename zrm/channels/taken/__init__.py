"""Taken contacts: what agents take down at the desk for citizens who call, come in person or write a letter."""
