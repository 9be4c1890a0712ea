"""Words for values in messages."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 60


def printable(text: str) -> str:
    """The text on one line and without control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(text: str) -> str:
    """The beginning of the text as it may be printed."""
    clean = printable(text)
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}..."


def described(value: object, hidden: bool) -> str:
    """What was found, with `found` before it. A hidden value is told by its kind only."""
    if isinstance(value, dict):
        return "found a group of keys"
    if isinstance(value, list):
        return "found a list"
    if isinstance(value, bool):
        return f"found {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return "found a number" if hidden else f"found the number {value}"
    if hidden or not isinstance(value, str):
        length = len(str(value))
        return f"found text of {length} character{'' if length == 1 else 's'}"
    return f"found the text '{shown(value)}'"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, whatever its case."""
    by_lower = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None
