"""The time, so that tests can hold it."""

from collections.abc import Callable

Clock = Callable[[], float]
"""Gives Unix seconds."""
