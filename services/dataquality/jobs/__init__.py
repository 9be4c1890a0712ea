"""Database jobs and set-up, run as one-off processes."""
