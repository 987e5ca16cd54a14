"""Who hears what, over which channel, when, and why."""
