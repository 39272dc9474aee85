"""The doors. One folder a channel; contract.py says what a channel is, registry.py which there are."""
