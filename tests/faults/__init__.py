"""What goes wrong in a real installation, done to a real one: kills, restarts, full disks, clocks, hostile contacts."""
