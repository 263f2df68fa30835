"""HTTP in: the federation API, downloads, pages."""
