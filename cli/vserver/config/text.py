"""Words for values in messages."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 60

ABSENT = object()
"""Stands for the value of a key that is not written, where its default does not fit the other keys."""


def shown(text: str) -> str:
    """The text as it may be printed: on one line, no control characters, not too long."""
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}..."


def described(value: object, hidden: bool) -> str:
    """What was found, with `found` before it. A hidden value is told by its kind only."""
    if value is ABSENT:
        return "found only the default"
    if isinstance(value, dict):
        return "found a group of keys"
    if isinstance(value, list):
        return "found a list"
    if isinstance(value, bool):
        return f"found {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return "found a number" if hidden else f"found the number {value}"
    if hidden or not isinstance(value, str):
        return f"found text of {len(str(value))} characters"
    return f"found the text '{shown(value)}'"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, whatever its case."""
    by_lower = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None
