"""Times on the wire: UTC, ISO 8601, microseconds, `+00:00`."""

from datetime import UTC, datetime


def wire_time(value: datetime | None) -> str | None:
    """The time as the contract has it (section 0.1); None stays None."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")
