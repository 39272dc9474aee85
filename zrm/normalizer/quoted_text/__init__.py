"""Separates what a mail repeats of earlier ones from what its writer says now; `split` has the policy."""
