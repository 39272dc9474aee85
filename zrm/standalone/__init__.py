"""PostgreSQL, Valkey and every role as our own children, on one machine."""
