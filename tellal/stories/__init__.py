"""The demo: stories played over HTTP with every expectation checked."""
