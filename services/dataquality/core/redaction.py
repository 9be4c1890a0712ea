"""Keeps secrets out of the log: those that this process knows by heart, and whatever looks like one.

Nothing of ours writes a secret. Libraries do, when they are asked to tell all: headers, addresses, frames.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

HIDDEN = "***"
_SHORTEST = 6
"""Shorter values would be found in ordinary words."""
_LONGEST = 1024
"""Longer ones are no secrets, but certificates and the like."""

_NAMES = (
    r"authorization|proxy-authorization|cookie|set-cookie|x-api-key|idempotency-key|jwt-token"
    r"|[a-z_]*(?:password|passwd|secret|token|api_?key|pepper|otp|mfa_code)[a-z_]*"
)
_SHAPES = (
    # A JSON web token, whole or cut off.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,2}"), HIDDEN),
    (re.compile(r"\b(bearer|basic)\s+[^\s\"',;]{4,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # user:password@ in an address
    (re.compile(r"(://[^\s/:@'\"]*:)[^\s/'\"]+@"), rf"\1{HIDDEN}@"),
    # 'password': 'x', as Python and JSON write it (also escaped), and tuples of bytes
    (
        re.compile(rf"(b?\\*[\"'](?:{_NAMES})\\*[\"']\s*[:,]\s*b?(\\*[\"']))(?:(?!\2).)*(\2)", re.IGNORECASE),
        rf"\1{HIDDEN}\3",
    ),
    # password=x, and a header on a line of its own
    (re.compile(rf"\b((?:{_NAMES})=)(?!{re.escape(HIDDEN)})[^\s&;,)\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|idempotency-key|jwt-token): .*", re.I),
     rf"\1: {HIDDEN}"),
)  # fmt: skip


class Redactor:
    """Replaces secrets in texts."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        spelled = {spelling for value in known for spelling in _spellings(value)}
        alternatives = [re.escape(value) for value in sorted(spelled, key=len, reverse=True)]
        self._known = re.compile("|".join(alternatives)) if alternatives else None

    def __call__(self, text: str) -> str:
        """The text with `***` for every secret."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text


def secrets_in(folder: Path) -> Iterator[str]:
    """The values of a component's secret files; of an address the password. None where nothing can be read."""
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
        password = re.search(r"://[^/:@]*:(.+)@", text)
        if "://" not in text:
            yield text
        elif password:
            yield unquote(password.group(1))


def _spellings(value: str) -> set[str]:
    if not _SHORTEST <= len(value) <= _LONGEST or "\n" in value:
        return set()
    return {value, quote(value, safe=""), quote(value), repr(value)[1:-1]}
