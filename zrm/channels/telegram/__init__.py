"""Telegram and Bale: bots of ours, by webhook or by polling; a short guided dialogue; answers back into the chat."""
