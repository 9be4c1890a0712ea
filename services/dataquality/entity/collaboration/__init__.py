"""Collaborations."""
