"""Reads one key after the other and collects all that is wrong, instead of stopping at the first."""

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from dataquality.jobs.importer.problems import Place, Problem, did_you_mean, quoted
from dataquality.jobs.importer.yaml_nodes import TAG

Entry = TypeVar("Entry")
LONGEST = 500
_TRUE = {"true", "yes", "on"}
_TEXT_LIST = "a list of texts such as [a, b]"


@dataclass(frozen=True)
class Text:
    """A text and where it stands; empty when it is missing or unusable."""

    value: str = field(repr=False)
    place: Place


@dataclass
class Fields:
    """The keys of one mapping."""

    place: Place
    problems: list[Problem]
    nodes: dict[str, yaml.Node]
    lines: dict[str, int]

    def text(self, key: str, longest: int | None = LONGEST) -> Text:
        """The text; empty when it is absent or null."""
        place, node = self._place(key), self._value(key)
        return Text("" if node is None else self._text(node, place, longest), place)

    def required(self, key: str, why: str, longest: int | None = LONGEST) -> Text:
        """The text, which must be there."""
        found = self.text(key, longest)
        if not found.value and not self._has_just_failed(found.place):
            what = "is empty" if key in self.nodes else "is missing"
            self._wrong(found.place, f"this {what}", why)
        return found

    def public_key(self, key: str) -> bytes | None:
        """The decoded key; None when it is absent or empty."""
        found = self.text(key, None)
        try:
            decoded = base64.b64decode(found.value, validate=True)
        except (binascii.Error, ValueError):
            decoded = None
        if decoded is None or base64.b64encode(decoded).decode() != found.value:
            remedy = "Paste the key's base64 text on one line, or leave it empty"
            self._wrong(found.place, "the public key is not base64", remedy)
        return decoded or None

    def boolean(self, key: str) -> bool | None:
        """True or false; None when it is absent or null."""
        node = self._value(key)
        if node is None:
            return None
        if node.tag != f"{TAG}bool":
            self._wrong(self._place(key), f"{_kind(node)} stands here", "Write true or false, without quotes")
        return str(node.value).lower() in _TRUE

    def word(self, key: str, words: Collection[str]) -> bool:
        """True if one of these words stands there."""
        node = self._value(key)
        return isinstance(node, yaml.ScalarNode) and node.value in words

    def texts(self, key: str, expected: str = _TEXT_LIST) -> tuple[Text, ...] | None:
        """A list of texts that are not empty; None when it is absent or null."""
        items = self._items(key, expected)
        if items is None:
            return None
        return tuple(Text(self._item(node, place), place) for node, place in items)

    def texts_or_entries(
        self, key: str, known: Collection[str], of_text: Callable[[Text], Entry], read: Callable[["Fields"], Entry]
    ) -> tuple[Entry, ...] | None:
        """A list of texts and of mappings with these keys; None when it is absent or null."""
        items = self._items(key, _TEXT_LIST)
        if items is None:
            return None
        found = [
            _read_if_any(fields_of(node, place, known, self.problems), read)
            if isinstance(node, yaml.MappingNode)
            else of_text(Text(self._item(node, place), place))
            for node, place in items
        ]
        return tuple(entry for entry in found if entry is not None)

    def entries(
        self, key: str, known: Collection[str], what: str, read: Callable[["Fields"], Entry]
    ) -> tuple[Entry, ...] | None:
        """A list of mappings with these keys, each as `read` has it; None when it is absent or null."""
        items = self._items(key, f"a list of {what}, each beginning with a dash")
        if items is None:
            return None
        found = [fields_of(node, place, known, self.problems) for node, place in items]
        return tuple(read(fields) for fields in found if fields is not None)

    def place_of(self, key: str) -> Place:
        """Where the key stands, or else its group."""
        return self._place(key)

    def _items(self, key: str, expected: str) -> list[tuple[yaml.Node, Place]] | None:
        node = self._value(key)
        if node is None:
            return None
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(self._place(key), f"{_kind(node)} stands here", f"Write {expected}")
            return None
        at = self._place(key).at
        children: list[Any] = node.value
        return [(child, Place(f"{at}[{index}]", _line(child))) for index, child in enumerate(children)]

    def _item(self, node: yaml.Node, place: Place) -> str:
        text = "" if _is_null(node) else self._text(node, place, LONGEST)
        if not text and not self._has_just_failed(place):
            self._wrong(place, "this is empty", "Write a text or remove the entry")
        return text

    def _text(self, node: yaml.Node, place: Place, longest: int | None) -> str:
        if node.tag == f"{TAG}bool":
            self._wrong(place, f"YAML reads this word as {_boolean_word(node)}", "Put it in quotes")
        elif not isinstance(node, yaml.ScalarNode) or node.tag not in _TEXTS:
            self._wrong(place, f"{_kind(node)} stands here", "Write a text, in quotes where in doubt")
        elif "\0" in node.value:
            self._wrong(place, "this holds the character NUL", "Remove it")
        elif longest is not None and len(node.value) > longest:
            self._wrong(place, f"this is longer than {longest} characters", "Shorten it")
        else:
            return str(node.value)
        return ""

    def _value(self, key: str) -> yaml.Node | None:
        node = self.nodes.get(key)
        return None if node is None or _is_null(node) else node

    def _place(self, key: str) -> Place:
        at = f"{self.place.at}.{key}" if self.place.at else key
        return Place(at, self.lines.get(key, self.place.line))

    def _has_just_failed(self, place: Place) -> bool:
        return bool(self.problems) and self.problems[-1].place == place

    def _wrong(self, place: Place, message: str, remedy: str) -> None:
        self.problems.append(Problem(place, message, remedy))


_TEXTS = {f"{TAG}str", f"{TAG}number", f"{TAG}merge"}


def fields_of(node: yaml.Node, place: Place, known: Collection[str], problems: list[Problem]) -> Fields | None:
    """The mapping's fields; None, and a problem, when it is none. Unknown and repeated keys are problems."""
    if not isinstance(node, yaml.MappingNode) or node.tag != f"{TAG}map":
        expected = ", ".join(f"{key}: ..." for key in known)
        problems.append(Problem(place, f"{_kind(node)} stands here", f"Write keys and values: {expected}"))
        return None
    fields = Fields(place, problems, {}, {})
    pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
    for key, value in pairs:
        _add(fields, key, value, known)
    return fields


def _read_if_any(fields: Fields | None, read: Callable[[Fields], Entry]) -> Entry | None:
    return None if fields is None else read(fields)


def _add(fields: Fields, key: yaml.Node, value: yaml.Node, known: Collection[str]) -> None:
    name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
    at = f"{fields.place.at}.{quoted(name)[1:-1]}" if fields.place.at else quoted(name)[1:-1]
    place = Place(at, _line(key))
    if name in fields.nodes:
        message = f"this key stands on line {fields.lines[name]} already"
        fields.problems.append(Problem(place, message, "Remove one of the two"))
    elif key.tag == f"{TAG}merge":
        fields.problems.append(Problem(place, "<<: is not taken here", "Write the keys out"))
    elif name not in known:
        remedy = did_you_mean(name, known, f"Known keys are {', '.join(known)}")
        fields.problems.append(Problem(place, "this key is not known", remedy))
    else:
        fields.nodes[name], fields.lines[name] = value, _line(key)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _is_null(node: yaml.Node) -> bool:
    return node.tag == f"{TAG}null"


def _boolean_word(node: yaml.Node) -> str:
    return "true" if str(node.value).lower() in _TRUE else "false"


def _kind(node: yaml.Node) -> str:
    """What stands there, and never its value: it may be a secret."""
    if isinstance(node, yaml.MappingNode):
        return "a group of keys"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    words = {"bool": "true or false", "number": "a number", "null": "nothing", "str": "a text"}
    return words.get(node.tag.removeprefix(TAG), "a value with a YAML tag (the word that starts with !)")
