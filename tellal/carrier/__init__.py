"""The carrier simulator and the mailbox: real servers that speak as the carriers do.

Users rehearse against them, so they ship with the product and run as processes of their own.
"""
