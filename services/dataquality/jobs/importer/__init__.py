"""Batch import: a YAML file of organizations, their users, and their collaborations."""
