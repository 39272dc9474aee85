"""What a mail repeats of earlier ones, told apart from what its writer says now; `split` has the policy."""
