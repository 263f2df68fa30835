"""The web interface: server-rendered pages, one module per page."""
