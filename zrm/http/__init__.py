"""The web role: one application with every page, webhook and check, and the server that runs it."""
