"""The rules of a case: what may happen to it, what an agent may do, by which routes an answer goes."""
