"""PyYAML's parser behind types: text in, nodes with line numbers out.

Plain text is resolved to the few types that an import file has; `010` and `50:00` are not read as anything odd.
"""

import re
from typing import Any, cast

import yaml

from dataquality.jobs.importer.json_nodes import DEEPEST, TAG, compose_json
from dataquality.jobs.importer.problems import InvalidFile, Place, Problem, quoted

_BASE: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_UNCLOSED = ("found unexpected end of stream", "did not find expected node content", "did not find expected ','")
_REMEDY = "Check indentation, quotes and brackets there and in the lines above"


class _Loader(_BASE):
    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - PyYAML's own way


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", "tTfFyYnNoO"),
    ("number", r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?", "-+0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    cast(Any, _Loader).add_implicit_resolver(TAG + _tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def compose(content: bytes, is_json: bool = False) -> yaml.Node:
    """The nodes of the one document in the file. Raises InvalidFile, with nothing quoted that may be a secret.

    What begins with a brace and is JSON is read as JSON: YAML takes some of its texts otherwise. Whatever it is,
    `is_json` says that it is meant to be JSON, and that what is wrong is to be said in JSON's words.
    """
    text = _decode(content)
    if is_json or text.lstrip()[:1] == "{":
        try:
            return compose_json(text)
        except InvalidFile:
            if is_json:
                raise
    try:
        _refuse_depth(text)
        node = cast(Any, yaml).compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _invalid(*_explained(error, text)) from None
    except yaml.YAMLError:
        raise _invalid(1, "this is not YAML: it holds a control character", "Remove it") from None
    if node is None:
        raise _invalid(1, "the file is empty", "Begin it with `organizations:`, as the manual's example does")
    return node


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _invalid(line, "the file is not UTF-8 text", "Save it in UTF-8") from None


def _refuse_depth(text: str) -> None:
    """Building the nodes recurses in C, where too deep a file would end the process; reading the events does not."""
    depth = 0
    for event in cast(Any, yaml).parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _invalid(event.start_mark.line + 1, "the file is nested too deeply", "An import file has five levels")


def _invalid(line: int, message: str, remedy: str) -> InvalidFile:
    return InvalidFile([Problem(Place("", line), message, remedy)])


def _explained(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str, str]:
    """Line, message and remedy."""
    mark, problem = error.problem_mark or error.context_mark, error.problem or ""
    line = mark.line + 1 if mark else 1
    if mark and not text[mark.index :].strip() and problem.startswith(_UNCLOSED):
        begun = min(line, error.context_mark.line + 1 if error.context_mark else line)
        return begun, "this is not YAML: a quote or a bracket is not closed", "Close it"
    if "cannot start any token" in problem and mark and _stands_at(text, mark, "\t"):
        return line, "this is not YAML: a tab where only blanks may stand", "Indent with blanks"
    return line, *_words(problem, error.context or "")


def _stands_at(text: str, mark: yaml.Mark, character: str) -> bool:
    return text[mark.index : mark.index + 1] == character


def _words(problem: str, context: str) -> tuple[str, str]:
    if "single document" in context:
        return "a second YAML document begins here", "Keep one: remove the line of --- before it"
    if "alias" in problem:
        return "this is not YAML: a * that refers to no anchor", "Put a text that starts with * in quotes"
    if "mapping values are not allowed" in problem:
        remedy = "Check the indentation, and put a text that holds a colon and a blank in quotes"
        return "this is not YAML: a colon where no key may stand", remedy
    if "cannot start any token" in problem:
        return "this is not YAML: no value may start with this character", "Put the text in quotes"
    hidden = re.sub(r"'[\w!%][^']+'|\"\w[^\"]+\"", "what stands there", problem) or "it does not follow the rules"
    return f"this is not YAML: {quoted(hidden)[1:-1]}", _REMEDY
