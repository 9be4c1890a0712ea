"""Ports that algorithms open to the others of their task."""
