"""Environments from YAML: their schema, their files, and where an instance keeps what is its own."""
