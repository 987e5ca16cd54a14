"""Twilio: SMS and WhatsApp out, status callbacks in, and what its codes mean for us."""
