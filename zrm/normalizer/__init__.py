"""T2: turns raw contacts into cases. Everything is pure up to the last step, which is one transaction."""
