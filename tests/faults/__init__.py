"""What goes wrong in a real house, done to a real one: kills, restarts, full disks, clocks, hostile contacts."""
