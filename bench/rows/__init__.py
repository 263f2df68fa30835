"""The rows of the table, one module per thing that is measured; each has its ``ROWS``."""
