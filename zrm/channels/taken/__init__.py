"""Taken contacts: entered by agents at the desk for citizens who call, come in person or write a letter."""
