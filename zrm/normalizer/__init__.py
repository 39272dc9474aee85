"""T2: raw contact to case. Pure up to the last step, which is one transaction."""
