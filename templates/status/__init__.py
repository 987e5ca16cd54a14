"""What the public reads of outages, each channel written from one snapshot."""
