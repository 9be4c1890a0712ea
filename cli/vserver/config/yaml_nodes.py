"""PyYAML's reader behind types: text in, nodes with line numbers out."""

import re
from typing import cast

import yaml

TAG = "tag:yaml.org,2002:"


class NotYamlError(ValueError):
    """The text is not YAML; quotes nothing from it that may be part of a secret."""

    def __init__(self, line: int | None, message: str, hint: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.hint = hint


class _Loader(yaml.SafeLoader):
    """Resolves plain text to the few types that a configuration has."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way


for tag, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", "tTfFyYnNoO"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    firsts = ["" if character == "\0" else character for character in first]
    _Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
        TAG + tag, re.compile(f"^(?:{pattern})$"), firsts
    )


def compose(text: str) -> yaml.Node | None:
    """The nodes of the one document in the text, None when there is none; NotYamlError."""
    try:
        node = cast(object, yaml.compose(text, Loader=_Loader))  # pyright: ignore[reportUnknownMemberType]
        return cast(yaml.Node | None, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYamlError(mark.line + 1 if mark else None, *_syntax(error)) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        message = f"this is not YAML: it holds the control character U+{ord(text[error.position]):04X}"
        raise NotYamlError(line, message, "Remove it") from None
    except RecursionError:
        raise NotYamlError(None, "the file is nested too deeply", "A configuration has four levels") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise NotYamlError(None, "this is not YAML", "Check quotes and escapes such as \\U") from None


def _syntax(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    """PyYAML's words without what it quotes from the file, which may be part of a secret."""
    problem = error.problem or error.context or "it does not follow the rules"
    if "'\\t'" in problem:
        return "this is not YAML: a tab where only spaces may stand", "Indent with spaces"
    if "alias" in problem:
        return "this is not YAML: a * that refers to no anchor", "Put a text that starts with * in quotes"
    if "occurrence" in problem:
        return "this is not YAML: an anchor (&) that is defined twice", "Give the second one another name"
    if "mapping values are not allowed" in problem:
        hint = "Check the indentation, and put a text that holds a colon and a blank in quotes"
        return "this is not YAML: a colon where no key may stand", hint
    if "cannot start any token" in problem:
        return f"this is not YAML: {problem}", "Put a text that starts with this character in quotes"
    if "single document" in str(error.context):
        return "a second YAML document begins here", "Keep one document: remove the line of --- or ... before it"
    return (
        f"this is not YAML: {_QUOTED.sub(_hidden, problem)}",
        "Check indentation, quotes and brackets in the lines above",
    )


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def _hidden(quoted: re.Match[str]) -> str:
    """Single characters and PyYAML's own words for parts of YAML, such as '<block end>', tell no secret."""
    inside = quoted[0][1:-1]
    return quoted[0] if len(inside) == 1 or inside.startswith("<") else "what stands there"
