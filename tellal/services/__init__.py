"""One transaction per use case; what the API and the activities both call."""
