"""The text of an SMS: how it is written on the air, how many segments it takes, what it costs."""
