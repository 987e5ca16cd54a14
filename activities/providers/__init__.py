"""Adapters, one module per provider; only composition roots import them."""
