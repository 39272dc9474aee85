"""The rules that move a case: transitions, steps, ways to answer, acknowledgement."""
