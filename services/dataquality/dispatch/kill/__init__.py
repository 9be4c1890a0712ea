"""Kills: what runs is to end."""
