"""What unmodified WordPress sites ask of a node."""
