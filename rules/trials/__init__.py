"""Tests of rule files, written beside them by the people who write the rules.

`*_test.yaml` gives a customer, a moment and what is expected; every test is decided as a server
would, by the reference, without a database.
"""
