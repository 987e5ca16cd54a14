"""Starts servers on this machine; nobody else does."""
