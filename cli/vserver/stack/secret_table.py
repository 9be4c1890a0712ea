"""The secrets that an instance has of its own, and whom a new one shuts out."""

from collections.abc import Mapping

OWN_PASSWORD = "postgres_password"  # noqa: S105 - the name of a secret
"""Of the Postgres that the stack brings: known to the database itself, not only by its fingerprint."""

NEW_ONE: Mapping[str, str] = {
    "jwt_secret_key": "ends every session: everybody signs in again, and nodes of the 3.x line must be restarted",
    "service_key": "shuts out nobody",
    "api_key_pepper": "shuts out every node: each needs a new API key",
    "reset_key": "voids the letters that were sent for a lost password or second factor",
    "redis_password": "shuts out nobody",
    OWN_PASSWORD: "shuts out nobody: the database gets it too",
}
"""Secret to what a new one does. Each is made for a new instance, kept, and known to the database by a fingerprint."""
