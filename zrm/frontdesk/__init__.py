"""The citizens' side of the installation, one for every channel: reception, files, tracking, self-service, checkpoints."""
