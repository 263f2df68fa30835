"""Plugin Federation Network: a federation node, a publisher kit and a verifying client for plugins."""

__version__ = "0.1.0"
