"""JSON as the nodes that the YAML parser makes, with their line numbers, so that both are read by the same code."""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import yaml

from dataquality.core.fields import is_encodable
from dataquality.jobs.importer.problems import InvalidFile, Place, Problem

TAG = "tag:yaml.org,2002:"
DEEPEST = 20
_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS = {"true": "bool", "false": "bool", "null": "null"}


def compose_json(text: str) -> yaml.Node:
    """The nodes of the document. Raises InvalidFile, with nothing quoted that may be a secret."""
    reader = _Reader(text, [found.end() for found in re.finditer("\n", text)])
    node, end = reader.value(reader.skip(0), 0)
    if end != len(text):
        raise reader.wrong(end, "there is more after the end of the document", "Keep one document")
    return node


@dataclass(frozen=True)
class _Reader:
    """`lines` holds where each line but the first begins."""

    text: str
    lines: list[int] = field(repr=False)

    def value(self, at: int, depth: int) -> tuple[yaml.Node, int]:
        """The value that begins here, and where the next thing begins."""
        first = self.text[at : at + 1]
        if depth > DEEPEST:
            raise self._invalid(at, "the file is nested too deeply", "An import file has five levels")
        if first == "{":
            return self._mapping(at, depth)
        if first == "[":
            return self._sequence(at, depth)
        if first == '"':
            return self._string(at)
        return self._plain(at)

    def skip(self, at: int) -> int:
        """Behind the blanks that stand here."""
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def wrong(self, at: int, message: str, remedy: str) -> InvalidFile:
        """It is no JSON."""
        return self._invalid(at, f"this is not JSON: {message}", remedy)

    def _mapping(self, at: int, depth: int) -> tuple[yaml.Node, int]:
        pairs: list[tuple[yaml.Node, yaml.Node]] = []
        end = self.skip(at + 1)
        while not self._ends(at, end, "}"):
            end = self._next(end, bool(pairs))
            if self.text[end : end + 1] != '"':
                raise self.wrong(end, "a key in double quotes is missing", "Write it, or remove the comma before it")
            key, end = self._string(end)
            if self.text[end : end + 1] != ":":
                raise self.wrong(end, "the colon after a key is missing", "Write it")
            value, end = self.value(self.skip(end + 1), depth + 1)
            pairs.append((key, value))
        return yaml.MappingNode(f"{TAG}map", pairs, self._mark(at), self._mark(end)), self.skip(end + 1)

    def _sequence(self, at: int, depth: int) -> tuple[yaml.Node, int]:
        items: list[yaml.Node] = []
        end = self.skip(at + 1)
        while not self._ends(at, end, "]"):
            item, end = self.value(self._next(end, bool(items)), depth + 1)
            items.append(item)
        return yaml.SequenceNode(f"{TAG}seq", items, self._mark(at), self._mark(end)), self.skip(end + 1)

    def _ends(self, begun: int, at: int, bracket: str) -> bool:
        if at >= len(self.text):
            raise self.wrong(begun, "a bracket or a brace is not closed", "Close it")
        return self.text[at] == bracket

    def _next(self, at: int, has_some: bool) -> int:
        """Where the next item begins: behind a comma, save the first."""
        if not has_some:
            return at
        if self.text[at] != ",":
            raise self.wrong(at, "a comma is missing here", "Write it, or close the bracket or brace before it")
        return self.skip(at + 1)

    def _string(self, at: int) -> tuple[yaml.Node, int]:
        found = _STRING.match(self.text, at)
        if found is None:
            raise self.wrong(at, "a quote is not closed", "Close it")
        try:
            value = str(json.loads(found[0]))
        except json.JSONDecodeError as error:
            remedy = "Write a line break as \\n, and a backslash as \\\\"
            raise self.wrong(at + error.pos, "a text holds what JSON does not allow there", remedy) from None
        if not is_encodable(value):
            raise self._invalid(at, "a text holds half of a surrogate pair", "Write the whole character")
        return self._scalar("str", value, at, found.end()), self.skip(found.end())

    def _plain(self, at: int) -> tuple[yaml.Node, int]:
        found = _NUMBER.match(self.text, at)
        if found:
            return self._scalar("number", found[0], at, found.end()), self.skip(found.end())
        for word, kind in _WORDS.items():
            if self.text.startswith(word, at):
                return self._scalar(kind, word, at, at + len(word)), self.skip(at + len(word))
        raise self.wrong(at, "no value begins like this", "Put a text in double quotes")

    def _scalar(self, kind: str, value: str, at: int, end: int) -> yaml.Node:
        return yaml.ScalarNode(f"{TAG}{kind}", value, self._mark(at), self._mark(end))

    def _mark(self, at: int) -> yaml.Mark:
        nothing: Any = None
        return yaml.Mark("", at, bisect_right(self.lines, at), 0, nothing, nothing)

    def _invalid(self, at: int, message: str, remedy: str) -> InvalidFile:
        return InvalidFile([Problem(Place("", bisect_right(self.lines, at) + 1), message, remedy)])
