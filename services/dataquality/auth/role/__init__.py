"""Roles, and the rules in them."""
