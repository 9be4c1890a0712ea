"""The operator's manual in pieces: every sentence, row, list item, code block and key of its examples."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MANUAL = Path(__file__).parents[1] / "manual" / "data" / "server-manual.md"
_FENCE = re.compile(r"```(\w+)\n(.*?)\n```", re.DOTALL)
_END_OF_SENTENCE = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])\s+(?=[A-Z(`])")
_ITEM = re.compile(r"\s*(\*\s|\d+\.\s|\|)")
_LABEL = re.compile(r"^\**(?:WARNING|NOTE|warning)\**:?\s*")
_LEADS_ON = re.compile(r":$|^`vserver \w+`$|\*\*(?:Windows and MacOS|warning|Linux)\*\*$|^Example [\w ]+$")
"""What is not complete without what follows."""
_KEY = re.compile(r"^( *)([\w]+):")


@dataclass(frozen=True)
class Piece:
    """One thing that the manual says. `heading` is where; `text` is in one line, with code blocks shortened."""

    heading: str
    text: str

    @property
    def key(self) -> str:
        """How the table names it."""
        return f"{self.heading}: {self.text}"


def pieces(text: str) -> list[Piece]:
    """All that the manual says, in order. What ends with a colon stands with what it leads to."""
    said: list[Piece] = []
    before = ""
    for piece in _pieces(text):
        words = f"{before} {piece.text}".strip()
        before = words if _LEADS_ON.search(words) and not piece.text.startswith("[") else ""
        if not before:
            said.append(Piece(piece.heading, words))
    return said


def _pieces(text: str) -> Iterator[Piece]:
    heading, rest = "", text
    while rest:
        fence = _FENCE.search(rest)
        for above, sentence in _prose(rest[: fence.start()] if fence else rest, heading):
            heading = above
            if sentence:
                yield Piece(heading, sentence)
        if fence:
            yield from _code(heading, fence.group(1), fence.group(2))
        rest = rest[fence.end() :] if fence else ""


def _prose(text: str, heading: str) -> Iterator[tuple[str, str]]:
    """Sentences with their headings; a heading comes once alone."""
    paragraph: list[str] = []
    for line in [*re.sub(r"</?(?:details|summary|a)>", "\n", text).splitlines(), ""]:
        if line.startswith("#") or not line.strip() or _ITEM.match(line):
            for sentence in _sentences(" ".join(paragraph)):
                yield heading, sentence
            paragraph = []
        if line.startswith("#"):
            heading = line.strip("# ")
            yield heading, ""
        else:
            paragraph.append(line.strip())


def _sentences(paragraph: str) -> Iterator[str]:
    text = _LABEL.sub("", " ".join(paragraph.split()).strip("| "))
    text = re.sub(r"^(\* |\d+\. )\s*", "", text)
    if re.fullmatch(r"[-| ]*|\*\*(Command|Description)\*\*", text):
        return
    yield from (sentence.strip() for sentence in _END_OF_SENTENCE.split(text) if sentence.strip())


def _code(heading: str, language: str, text: str) -> Iterator[Piece]:
    first = next(line.strip() for line in text.splitlines() if line.strip())
    if language != "yaml":
        yield Piece(heading, f"[{language}] {first}")
        return
    yield Piece(heading, f"[yaml] {first}")
    if first == "application:":
        yield from (Piece(heading, f"[key] {key}") for key in _keys(text))


def _keys(text: str) -> Iterator[str]:
    """`logging.level: what its comment says` for each key of the example configuration."""
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip("# "))
        elif found := _KEY.match(line):
            indent = len(found.group(1))
            path = [*(one for one in path if one[0] < indent), (indent, found.group(2))]
            yield f"{'.'.join(name for _, name in path)}: {' '.join(comment)}".rstrip(": ")
            comment = []
