"""The description of the whole API, and its page."""
