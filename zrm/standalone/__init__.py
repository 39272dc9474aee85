"""PostgreSQL, Valkey and every role as child processes on one machine."""
