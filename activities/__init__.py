"""What a workflow may ask of the outside world."""
