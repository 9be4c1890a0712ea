"""A YAML file as plain data that remembers on which line each key stands.

Stricter than YAML 1.1 where that reads what nobody means: `50:00`, `010` and `1_000` are text here, and a key
that is given twice is a flaw.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from vserver.config.text import shown
from vserver.config.yaml_nodes import TAG, NotYamlError, compose
from vserver.errors import ConfigurationError, Problem

KeyPath = tuple[str | int, ...]

LARGEST_FILE = 1_000_000
_MOST_VALUES = 20_000
_SHAPE = "It should be a text file that starts with application: or environments:"


class Unusable:
    """Stands for a value that is known to be wrong already, so that it is not complained about twice."""

    def __repr__(self) -> str:
        return "<unusable>"


UNUSABLE = Unusable()


@dataclass(frozen=True)
class Flaw:
    """A problem inside a file, before file and line are known."""

    at: KeyPath
    message: str
    hint: str = ""
    line: int | None = None


@dataclass
class Source:
    """What a file holds. `value` is built of dict, list, str, int, float, bool, None and UNUSABLE."""

    path: Path
    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    flaws: list[Flaw] = field(default_factory=list[Flaw])

    def problem(self, flaw: Flaw) -> Problem:
        return Problem(self.path, flaw.line or self.line(flaw.at), dotted(flaw.at), flaw.message, flaw.hint)

    def line(self, at: KeyPath) -> int | None:
        """The line of a key, or of the nearest group around it."""
        lengths = range(len(at), -1, -1)
        return next((self.lines[at[:length]] for length in lengths if at[:length] in self.lines), None)


def as_group(value: object) -> dict[str, object] | None:
    """The value as a group of keys, if it is one."""
    return cast(dict[str, object], value) if isinstance(value, dict) else None


def dotted(at: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in at)
    return text.removeprefix(".")


def read_source(path: Path) -> Source:
    """Read a YAML file; ConfigurationError when it is not one."""
    return parse_source(path, read_text(path))


def parse_source(path: Path, text: str) -> Source:
    """The same for a text that is, or may become, the content of this file."""
    root = _compose(path, text)
    if root is None:
        raise _unusable(path, None, "the file is empty", _SHAPE)
    return _Converter(path).convert_document(root)


def value_of(text: str) -> object:
    """What a value that is written as this text in a file comes to; the text itself where it is no YAML."""
    converter = _Converter(Path())
    try:
        root = compose(text)
        value = None if root is None else converter.convert(root, ())
    except (NotYamlError, ConfigurationError):
        return text
    return text if converter.source.flaws else value


def read_text(path: Path) -> str:
    """The text of a configuration file; ConfigurationError when it is none."""
    try:
        if not path.exists():
            raise _unusable(path, None, "there is no such file", "Look at the spelling of its name")
        if not path.is_file():
            raise _unusable(path, None, "this is not a file", "Name the configuration file itself")
        if path.stat().st_size > LARGEST_FILE:
            raise _unusable(path, None, f"the file is larger than {LARGEST_FILE} bytes", _SHAPE)
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _unusable(path, line, "the file is not UTF-8 text", "Save it in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its path is not valid"
        hint = "Check who owns it, or run the command as a user who may read it"
        raise _unusable(path, None, f"the file cannot be read: {reason}", hint) from None


def _unusable(path: Path, line: int | None, message: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(path, line, "", message, hint)])


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        return compose(text)
    except NotYamlError as error:
        raise _unusable(path, error.line, error.message, error.hint) from None


class _Converter:
    """Turns YAML's nodes into a Source."""

    def __init__(self, path: Path) -> None:
        self.source = Source(path)
        self.open: set[int] = set()
        self.count = 0

    def convert_document(self, root: yaml.Node) -> Source:
        try:
            self.source.value = self.convert(root, ())
        except RecursionError:
            raise _unusable(self.source.path, None, "the file is nested too deeply", _SHAPE) from None
        return self.source

    def convert(self, node: yaml.Node, at: KeyPath) -> object:
        self.count += 1
        if self.count > _MOST_VALUES:
            raise _unusable(self.source.path, None, f"the file holds more than {_MOST_VALUES} values", _SHAPE)
        self.source.lines.setdefault(at, _line(node))
        if id(node) in self.open:
            return self.flaw(at, "this refers to itself", "Write out what is meant instead of *", node)
        self.open.add(id(node))
        try:
            return self.convert_open(node, at)
        finally:
            self.open.discard(id(node))

    def convert_open(self, node: yaml.Node, at: KeyPath) -> object:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            return self.convert_mapping(node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            children = cast(list[yaml.Node], node.value)
            return [self.convert(child, (*at, index)) for index, child in enumerate(children)]
        if isinstance(node, yaml.ScalarNode):
            return self.convert_scalar(node, at)
        return self.flaw(at, "this has a YAML tag", "Remove the word that starts with !", node)

    def convert_scalar(self, node: yaml.ScalarNode, at: KeyPath) -> object:
        text, kind = node.value, node.tag.removeprefix(TAG)
        if re.search("[\ud800-\udfff]", text):
            return self.flaw(at, "this holds half a character", "Write the character itself instead of \\u", node)
        if kind == "bool" and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if kind == "int" and re.fullmatch(r"[-+]?[0-9]{1,18}", text):
            return int(text)
        if kind == "float" and re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text):
            return float(text)
        if kind == "null":
            return None
        if kind in {"str", "merge"}:
            return text
        return self.flaw(at, "this has a YAML tag", "Remove the word that starts with !", node)

    def convert_mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, object]:
        given: dict[str, object] = {}
        for name, key, child in self.keys(node, at):
            if name in given:
                first = self.source.lines[(*at, name)]
                self.flaw((*at, name), f"this key stands twice, first on line {first}", "Remove one of the two", key)
                continue
            self.source.lines.setdefault((*at, name), _line(key))
            given[name] = self.convert(child, (*at, name))
        return self.merged(node, at) | given

    def keys(self, node: yaml.MappingNode, at: KeyPath) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for key, child in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            if key.tag == f"{TAG}merge":
                continue
            if isinstance(key, yaml.ScalarNode):
                yield key.value, key, child
            else:
                self.flaw(at, "a key that is not a word stands here", "Write key: value", key)

    def merged(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, object]:
        """What `<<:` brings in. Keys written out win, and of several sources the first."""
        values: dict[str, object] = {}
        for key, child in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            if key.tag != f"{TAG}merge":
                continue
            several = isinstance(child, yaml.SequenceNode)
            for source in cast(list[yaml.Node], child.value) if several else [child]:
                value = self.convert(source, at)
                if isinstance(value, dict):
                    values = cast(dict[str, object], value) | values
                elif not isinstance(value, Unusable):
                    self.flaw(at, "<<: is not followed by a group of keys", "Name an anchor, as in <<: *test", key)
        return values

    def flaw(self, at: KeyPath, message: str, hint: str, node: yaml.Node) -> Unusable:
        self.source.flaws.append(Flaw(at, message, hint, _line(node)))
        return UNUSABLE


_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
