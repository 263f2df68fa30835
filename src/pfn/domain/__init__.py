"""Decisions: frozen dataclasses and pure functions, by noun. Time is an argument."""
