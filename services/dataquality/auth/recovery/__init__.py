"""Back into one's account by mail: a lost password, a lost second factor."""
