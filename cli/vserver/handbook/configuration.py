"""The tables of docs/configuration.md, from the schema; `python -m vserver.handbook.json_schema` writes them there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from vserver.config.keys import KEYS, NOT_YET, REFUSED, SECRETS, Key, Names
from vserver.config.schema import Environment
from vserver.handbook.pages import filled, table

PAGE = Path("docs", "configuration.md")
_HEADER = ("key", "what it is", "takes", "default", "example")

Schema = dict[str, Any]


def page(text: str) -> str:
    """The page with its tables made anew."""
    return filled(text, {"keys": keys(), "refused keys": refused()})


def write() -> None:
    """Make the tables of the page anew, where there is one."""
    if PAGE.exists():
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def keys() -> str:
    """A table for the keys of an environment, and one for each group of keys."""
    groups = [key for key in KEYS.values() if key.group]
    parts = [_table((), Environment)]
    for key in groups:
        if key.group:
            about = f"{_what(key)} {_number(key)}".strip()
            parts.append(f"### {'.'.join(key.names)}\n\n{about}\n\n{_table(key.names, key.group)}")
    return "\n\n".join(parts)


def refused() -> str:
    """A table of the keys of the older server, and what to do instead."""
    return table(
        ("key", "why it is refused", "what to do"),
        [(f"`{'.'.join(names)}`", why, remedy) for names, (why, remedy) in REFUSED.items()],
    )


def _table(above: Names, model: type[BaseModel]) -> str:
    properties = cast("dict[str, Schema]", model.model_json_schema(ref_template="{model}")["properties"])
    return table(_HEADER, [_row(key, properties[key.names[-1]]) for key in _within(above)])


def _within(above: Names) -> Iterator[Key]:
    return (key for key in KEYS.values() if key.names[:-1] == above)


def _row(key: Key, schema: Schema) -> tuple[str, ...]:
    name = key.names[-1]
    if key.group:
        link = ".".join(key.names).replace(".", "")
        return (f"`{name}`", _what(key), f"keys, see [{name}](#{link})", "", "")
    return (f"`{name}`", _what(key), _takes(key, schema), _default(key), _example(key))


def _what(key: Key) -> str:
    note = NOT_YET.get(".".join(key.names))
    return f"{key.field.description}" + (f" ({note[0].upper()}{note[1:]}.)" if note else "")


def _number(key: Key) -> str:
    return "A list: each entry has these keys." if "tuple[" in str(key.field.annotation) else ""


def _takes(key: Key, schema: Schema) -> str:
    if key.names in SECRETS:
        return "text that is kept secret"
    return _kind(schema)


def _kind(schema: Schema) -> str:
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if choices:
        return _kind(choices[0])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    match schema.get("type"):
        case "integer":
            return f"whole number{_range(schema)}"
        case "number":
            return f"number{_range(schema)}"
        case "boolean":
            return "`true` or `false`"
        case "array":
            return "list"
        case _:
            return "full path of a folder" if schema.get("format") == "path" else "text"


def _range(schema: Schema) -> str:
    least = schema.get("minimum")
    least = schema["exclusiveMinimum"] + 1 if least is None and "exclusiveMinimum" in schema else least
    return f", {least:g} to {schema['maximum']:g}".replace("e+06", " million").replace("e+07", "0 million")


def _default(key: Key) -> str:
    value = key.field.get_default()
    if value is PydanticUndefined:
        return "must be given"
    if key.names == ("type",) or value in (None, "", ()) or "Default:" in (key.field.description or ""):
        return ""
    return "" if key.names in SECRETS else f"`{_yaml(value)}`"


def _example(key: Key) -> str:
    examples = cast("list[object]", key.field.examples or [])
    return " or ".join(f"`{_yaml(example)}`" for example in examples)


def _yaml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"' if value.startswith(("%", "*", "&", "!")) else value
    return json.dumps(value)
