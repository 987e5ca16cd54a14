"""The chaos run: processes are killed, providers misbehave, and the books must agree afterwards."""
