"""What is wrong with an import file, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

_LONGEST = 60


@dataclass(frozen=True)
class Place:
    """A key in the file: dotted (`organizations[0].name`; empty for the file as a whole), and its line, from one."""

    at: str
    line: int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what (`message`), and what to do about it (`remedy`)."""

    place: Place
    message: str
    remedy: str

    def text(self, label: str) -> str:
        """`FILE:LINE: key: what is wrong. what to do`"""
        key = f"{self.place.at}: " if self.place.at else ""
        return f"{label}:{self.place.line}: {key}{self.message}. {self.remedy}"


class InvalidFile(Exception):
    """The file cannot be imported; carries all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("the file is not valid")
        self.problems = sorted(problems, key=lambda problem: problem.place.line)


def quoted(text: str) -> str:
    """The text in quotes, on one line, not too long. Never for passwords and keys."""
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return f"'{clean}'" if len(clean) <= _LONGEST else f"'{clean[:_LONGEST]}...'"


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a word that is not known: the nearest one that is."""
    matches = get_close_matches(word.lower(), {name.lower(): name for name in known}, n=1)
    by_lower = {name.lower(): name for name in known}
    return f"Did you mean {quoted(by_lower[matches[0]])}?" if matches else otherwise
