"""The telephone door: a FastAGI server that Asterisk calls for every citizen's call."""
