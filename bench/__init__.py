"""Measurements, each as a ratio to a control of the same run where there is one. `make bench` runs them all."""
