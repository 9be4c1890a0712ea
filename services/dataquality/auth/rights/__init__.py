"""Who holds which rules."""
