"""The channels, a folder each. `channel.py` says what a channel is, `registry.py` lists them."""
