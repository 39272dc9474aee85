"""Bots on Telegram and Bale, against a stand-in of the Bot API and the real installation."""
