"""The plan of a running stack, and the two ways to run it."""
