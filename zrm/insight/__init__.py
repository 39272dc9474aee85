"""Observes the installation: metrics, health, the conservation law. Reads only."""
