"""Who may do what: sign-in, second steps, sessions, permissions, headers."""
