"""What replaces the clock of processes under test."""
