"""SMPP 3.4: what both ends of a connection say, and how texts and receipts are written in it."""
