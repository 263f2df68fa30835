"""The federation API of protocol.md section 1, one module per noun."""
