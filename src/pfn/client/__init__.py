"""Verify a download; talk to a node."""
