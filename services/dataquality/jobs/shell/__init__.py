"""The operator's shell: the database as Python objects."""
