"""Runs what is due, and what goes on after its request was answered."""
