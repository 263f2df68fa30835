"""Fixtures for what WordPress means."""

from tests.support.real_plugins import real_plugins

__all__ = ["real_plugins"]
