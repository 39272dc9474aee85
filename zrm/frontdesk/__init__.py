"""The side of the installation that citizens meet, one for every channel: reception, files, tracking, self-service, checkpoints."""
