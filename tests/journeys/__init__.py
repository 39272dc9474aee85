"""Whole ways through a hub that really runs."""
