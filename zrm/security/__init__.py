"""Authentication and authorisation: sign-in, second steps, sessions, permissions."""
