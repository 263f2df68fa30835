"""For tests of nodes and clients: a publisher that misbehaves on command, and plugins to publish."""
