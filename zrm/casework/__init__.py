"""The rules that move a case: transitions, routing, acknowledgement."""
