"""Writes environments into configuration files. What stands in a file already stays as it is, byte for byte."""

import codecs
import contextlib
import json
import os
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from vserver.config.answers import Values
from vserver.config.keys import KEYS, Names
from vserver.config.layout import laid_out, section_path
from vserver.config.names import ENVIRONMENT_TYPES, EnvironmentName
from vserver.config.source import as_group, dotted, parse_source, read_source, read_text
from vserver.config.substitution import PLACEHOLDER
from vserver.config.yaml_nodes import compose
from vserver.errors import CommandError, ConfigurationError

_STEP = "  "
_POSITIONS = {names: position for position, names in enumerate(KEYS)}
_WIDTH = 100
_HEAD = """\
# Configuration of a dataquality server, one section an environment: dev, test, acc, prod, or `application` for a
# server that has no others. An empty section ({}) is not used. Change it as you like, then start the server anew.
"""


def new_file(environment: EnvironmentName, values: Values) -> str:
    """The text of a configuration with this one environment; the others stand there, empty."""
    lines = [_HEAD + "application:" + _opened(environment == "application", values, "")]
    lines.append("environments:\n")
    for name in reversed(ENVIRONMENT_TYPES):
        lines.append(f"{_STEP}{name}:" + _opened(environment == name, values, _STEP))
    return "".join(lines)


def _opened(is_meant: bool, values: Values, indent: str) -> str:
    return "\n" + block(values, indent + _STEP) if is_meant else " {}\n"


def check_room(path: Path, environment: EnvironmentName) -> None:
    """Raises CommandError where the file has this environment already, ConfigurationError where the file is wrong."""
    source = read_source(path)
    layout = laid_out(source)
    if layout.flaws:
        raise ConfigurationError([source.problem(flaw) for flaw in layout.flaws])
    if environment in layout.filled:
        raise CommandError(
            f"{path} has an environment {environment} already, and nothing that is there is overwritten",
            "Change it in that file, or add another environment with -e "
            f"({', '.join(('application', *ENVIRONMENT_TYPES))}), or choose another name with --name.",
        )


def with_environment(path: Path, environment: EnvironmentName, values: Values) -> str:
    """The text of the file with one environment more. Raises CommandError where it has it, or cannot take it."""
    check_room(path, environment)
    text = read_text(path)
    at = cast(Names, section_path(environment))
    try:
        written = _Edit(text).put(at, values)
        before, after = _plain(path, text), _plain(path, written)
    except (_NoPlaceError, ConfigurationError):
        before, after, written = {}, None, ""
    if after != _put(before, at, values):
        raise CommandError(
            f"{path} is written in a way to which nothing can be added without changing the rest",
            f"Add {dotted(at)} to it by hand.",
        )
    return ("\ufeff" if path.read_bytes().startswith(codecs.BOM_UTF8) else "") + written


def save(path: Path, text: str) -> None:
    """Replace or make the file, whole or not at all. A new one is for its owner's eyes alone; one that was there keeps
    its owner and its mode, but for what others may do."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            _like(path, file.fileno())
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _like(path: Path, handle: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        there = path.stat()
        if hasattr(os, "fchown") and there.st_uid != os.geteuid():
            os.fchown(handle, there.st_uid, there.st_gid)
        os.chmod(handle, there.st_mode & 0o770)


def block(values: Values, indent: str, above: Names = ()) -> str:
    """Keys as lines of YAML, each with what it means above it."""
    return "".join(_lines(values, indent, above))


def _lines(values: Values, indent: str, above: Names) -> Iterator[str]:
    own = [(*above, name) for name in values]
    for names in sorted(own, key=lambda names: _POSITIONS.get(names, 0)):
        name, value = names[-1], values[names[-1]]
        if names in KEYS:
            yield textwrap.fill(KEYS[names].field.description or "", _WIDTH, initial_indent=f"{indent}# ",
                                subsequent_indent=f"{indent}# ") + "\n"  # fmt: skip
        if isinstance(value, dict) and value:
            yield f"{indent}{name}:\n" + block(cast(Values, value), indent + _STEP, names)
        else:
            dumped = yaml.safe_dump({name: value}, allow_unicode=True, width=1_000_000, sort_keys=False)
            yield textwrap.indent(dumped, indent)


class _NoPlaceError(Exception):
    """The file is written in a way to which nothing can be added without changing the rest."""


@dataclass(frozen=True)
class _Edit:
    """Finds in a file's text the one place where something has to go."""

    text: str

    def put(self, at: Names, values: Values) -> str:
        node, above = compose(self.text), None
        for depth, name in enumerate(at):
            if not isinstance(node, yaml.MappingNode):
                raise _NoPlaceError
            found = _child(node, name)
            if found is None:
                return self._add(node, above, at[depth:], values)
            above, node = found
            if _is_empty(node):
                return self._fill(above, node, at[depth + 1 :], values)
        raise _NoPlaceError

    @property
    def _line_end(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _body(self, names: Names, values: Values, column: int) -> str:
        return _with_comments(_nested(names, values), " " * column, names).replace("\n", self._line_end)

    def _add(self, node: yaml.MappingNode, above: yaml.Node | None, names: Names, values: Values) -> str:
        """Into a group that has other keys: behind them where the file ends with them, else before them."""
        if node.flow_style:
            start = node.start_mark.index + 1
            written = json.dumps(_nested(names, values), ensure_ascii=False)[1:-1]
            return f"{self.text[:start]}{written}, {self.text[start:]}"
        body = self._body(names, values, node.start_mark.column)
        start = node.end_mark.index
        if self.text[start:].strip() and above is not None:
            # Behind the name of the group: what comments say of its members stays with them.
            start = self.text.index("\n", above.end_mark.index) + 1
        head = self.text[:start]
        ending = "" if head.endswith("\n") else self._line_end
        return f"{head}{ending}{body}{self.text[start:]}"

    def _fill(self, key: yaml.Node, child: yaml.Node, names: Names, values: Values) -> str:
        """In place of `{}`, `...` or nothing. What stands behind it on its line stays there."""
        start, end = child.start_mark.index, child.end_mark.index
        line_end = self.text.find("\n", end)
        tail = self.text[end:] if line_end < 0 else self.text[end:line_end]
        rest = "" if line_end < 0 else self.text[line_end + 1 :]
        head = self.text[:start].rstrip(" ")
        if tail.strip() and not tail.lstrip().startswith("#"):
            return f"{head} {json.dumps(_nested(names, values), ensure_ascii=False)}{self.text[end:]}"
        body = self._body(names, values, key.start_mark.column + len(_STEP))
        return f"{head}{tail.rstrip()}{self._line_end}{body}{rest}"


def _with_comments(nested: Values, indent: str, names: Names) -> str:
    """The names that lead to an environment say enough by themselves."""
    if not names:
        return block(nested, indent)
    inner = _with_comments(cast(Values, nested[names[0]]), indent + _STEP, names[1:])
    return f"{indent}{names[0]}:\n{inner}"


def _nested(names: Names, values: Values) -> Values:
    return {names[0]: _nested(names[1:], values)} if names else values


def _child(node: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    children = cast(list[tuple[yaml.Node, yaml.Node]], node.value)
    return next(((key, child) for key, child in children if key.value == name), None)


def _is_empty(node: yaml.Node) -> bool:
    if isinstance(node, yaml.MappingNode):
        return not node.value
    return isinstance(node, yaml.ScalarNode) and (node.value == PLACEHOLDER or node.tag.endswith(":null"))


def _plain(path: Path, text: str) -> Values:
    source = parse_source(path, text)
    if source.flaws:
        raise ConfigurationError([source.problem(flaw) for flaw in source.flaws])
    return as_group(source.value) or {}


def _put(values: Values, names: Names, value: Values) -> Values:
    head, *rest = names
    inner = values.get(head)
    below = cast(Values, inner) if isinstance(inner, dict) else {}
    return {**values, head: _put(below, tuple(rest), value) if rest else value}
