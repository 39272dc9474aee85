"""Who may do what: sign-in, sessions, permissions, throttles."""
