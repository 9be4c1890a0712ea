"""Examples of what schemas describe."""

from typing import Any

Json = dict[str, Any]
_MOMENT = "2026-11-23T10:00:00.000000+00:00"


def example_of(schema: Json, schemas: Json) -> Any:
    """An example of what a schema describes: its own where it has one, else one made from its parts."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "properties" in schema:
        return _plain(schema, schemas)
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example_of(schema[key][0], schemas)
    return _plain(schema, schemas)


def _plain(schema: Json, schemas: Json) -> Any:
    match schema.get("type"):
        case "object":
            return {name: example_of(one, schemas) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [example_of(schema.get("items", {}), schemas)]
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
        case "string":
            return _MOMENT if schema.get("format") == "date-time" else "text"
        case _:
            return None
