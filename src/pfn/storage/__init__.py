"""Rows and blobs: SQLite or PostgreSQL, files. Repositories give and take domain dataclasses."""
