"""Software that others wrote, spoken to by our providers: run by `make interop` only."""
