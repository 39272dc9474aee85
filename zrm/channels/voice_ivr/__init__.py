"""The telephone door: a FastAGI server that Asterisk connects to for every citizen's call."""
