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
_LONGEST_SPELLING = 3 * _LONGEST
"""In an address each character may be written with three."""

_WORDS = (
    "authorization", "cookie", "api-key", "api_key", "apikey", "idempotency-key", "jwt-token",
    "password", "passwd", "secret", "token", "pepper", "otp", "mfa_code",
)  # fmt: skip
_HINTS = (*_WORDS, "eyj", "bearer", "basic", "://")
"""A text without any of these matches none of the patterns."""

# Strangers choose what is searched, so every pattern takes time in proportion to the text: a name is matched from where
# it begins to where it ends (`++`), and a match that has begun fails within a few characters or takes what it has read.
_QUOTE = r"\\{0,7}+[\"']"
"""Also escaped, as JSON within JSON is."""


def _name_before(after: str) -> str:
    """A whole name that holds one of the words, and what follows it. What fails soonest comes first."""
    return rf"(?<![\w-])(?=[\w-]++{after})(?=[\w-]*?(?:{'|'.join(_WORDS)}))[\w-]++{after}"


_SHAPES = (
    # A JSON web token, whole or cut off.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+){0,2}+"), HIDDEN),
    (re.compile(r"\b(bearer|basic)\s++[^\s\"',;]{4,}+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # user:password@ in an address
    (re.compile(r"(://[^\s/:@'\"]*+:)[^\s/'\"]+@"), rf"\1{HIDDEN}@"),
    # 'password': 'x', as Python and JSON write it, and tuples of bytes; also cut off
    (re.compile(rf"({_name_before(_QUOTE)}\s*+[:,]\s*+b?({_QUOTE}))(?:(?!\2).)*+(\2)?+", re.IGNORECASE),
     rf"\1{HIDDEN}\3"),
    # password=x, and a header on a line of its own
    (re.compile(rf"({_name_before('=')})(?!{re.escape(HIDDEN)})[^\s&;,)\"']++", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|idempotency-key|jwt-token): .*+", re.I),
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
        lowered = text.lower()
        if any(hint in lowered for hint in _HINTS):
            for shape, instead in _SHAPES:
                text = shape.sub(instead, text)
        return text

    def beginning(self, text: str, most: int) -> str:
        """The text without secrets; of a longer one the first `most` characters, and no half of a secret."""
        if len(text) <= most:
            return self(text)
        kept = self(text[: most + _LONGEST_SPELLING])
        if len(text) > most + _LONGEST_SPELLING:
            kept = kept[:-_LONGEST_SPELLING]  # where half a secret may be
        return f"{kept[:most]}... ({len(text) - most} characters more)"


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
