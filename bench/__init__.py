"""What the node does in how much time, beside something well known that does the same: ``python -m bench``."""
