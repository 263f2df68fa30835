"""The terminal: one module per noun, each a thin hand on the API."""
