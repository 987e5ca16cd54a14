"""Texts over SMPP 3.4, straight to an operator's or an aggregator's message centre."""
