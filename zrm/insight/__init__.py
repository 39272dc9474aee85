"""Watching the house: metrics, the conservation law. Reads only."""
