"""Rules, which only the seed makes."""
