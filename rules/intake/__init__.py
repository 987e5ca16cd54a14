"""Intake profiles: what differs between the channels over which cases come in, as data."""
