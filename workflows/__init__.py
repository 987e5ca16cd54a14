"""Durable orchestration: workflows wait and ask activities; they do no I/O."""
