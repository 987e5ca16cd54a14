"""The shared kernel, and on top of it the commands."""
