"""Signing in: users, nodes and containers; and staying signed in."""
