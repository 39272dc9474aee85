"""Telegram and Bale: our bots, by webhook or by polling; a short guided dialogue; answers in the chat."""
