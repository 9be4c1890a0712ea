"""The configuration's JSON Schema, for editors.

`python -m vserver.handbook.json_schema` writes it, and the tables of docs/configuration.md.
"""

import json
from pathlib import Path
from typing import Any, cast

from vserver.config.schema import Configuration
from vserver.config.substitution import PLACEHOLDER
from vserver.handbook import configuration

COMMITTED = Path("deploy", "configuration.schema.json")
_REFERENCE = {"type": "string", "pattern": r"\$\{|^file:", "description": "A reference: ${VARIABLE} or file:path."}
_DIGITS = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "description": "The number in quotes."}
_NOT_FILLED = {"enum": [PLACEHOLDER, None], "description": "Not filled in: this environment cannot be started."}

Schema = dict[str, Any]


def configuration_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of a configuration file, the same at each call."""
    schema = cast(Schema, _tidied(Configuration.model_json_schema()))
    definitions = cast(dict[str, Schema], schema["$defs"])
    del definitions["Environment"]["properties"]["type"]["default"]
    definitions["Environment"]["minProperties"] = 1
    for properties in (schema["properties"], definitions["Environments"]["properties"]):
        _allow_placeholders(properties)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def text() -> str:
    """The schema as the file that is committed."""
    return json.dumps(configuration_schema(), indent=2, sort_keys=True) + "\n"


def _allow_placeholders(properties: dict[str, Schema]) -> None:
    for section in properties.values():
        section["anyOf"] = [{"$ref": section.pop("$ref")}, _NOT_FILLED, {"type": "object", "maxProperties": 0}]


def _tidied(node: Any) -> Any:
    """Without the nulls that only Python knows, without made-up titles, and with references where values stand."""
    if isinstance(node, list):
        return [_tidied(entry) for entry in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    schema = _without_null(cast(Schema, node))
    tidy = {key: _children(key, value) for key, value in schema.items() if key != "title"}
    return _with_reference(tidy)


def _children(key: str, value: Any) -> Any:
    if key in {"properties", "$defs"}:
        return {name: _tidied(child) for name, child in cast(dict[str, Any], value).items()}
    return _tidied(value) if key in {"anyOf", "items"} else value


def _without_null(schema: Schema) -> Schema:
    """Groups say their own defaults, so those of a whole group go too."""
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if isinstance(rest.get("default"), dict | None):
        rest.pop("default", None)
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return {**choices[0], **rest} if len(choices) == 1 else {**rest, **({"anyOf": choices} if choices else {})}


def _with_reference(schema: Schema) -> Schema:
    """Whoever may write a number or a word of a list may also write where it is to be found."""
    kind = schema.get("type")
    if kind not in {"integer", "number"} and "enum" not in schema:
        return schema
    about = {key: value for key, value in schema.items() if key in {"description", "default", "examples"}}
    value = {key: value for key, value in schema.items() if key not in about}
    numbers = [_DIGITS] if kind in {"integer", "number"} else []
    return {**about, "anyOf": [value, *numbers, _REFERENCE]}


if __name__ == "__main__":
    COMMITTED.write_text(text(), encoding="utf-8")
    configuration.write()
