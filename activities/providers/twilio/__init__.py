"""Twilio: text messages out, status callbacks in, and what its codes mean for us."""
