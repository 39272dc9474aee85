"""Watching the installation: metrics, the conservation law. Reads only."""
