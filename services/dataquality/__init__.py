"""The coordination server: everything that runs behind the API."""

__version__ = "0.1.0"
