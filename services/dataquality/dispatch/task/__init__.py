"""Tasks: what is asked."""
