"""The publisher kit: from a folder of plugin zips to what a node mirrors."""
