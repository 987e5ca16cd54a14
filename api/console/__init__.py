"""The console: one inbox for those who act, in plain pages that need no script.

What is done here is done by the routes of the API themselves, with the key of who signed in: the
same permissions, the same refusals, once for each form however often it is sent.
"""
