"""Parameters that many operations have, and what they mean."""

from collections.abc import Iterator, Mapping
from typing import Any

from dataquality.core.idempotency import HEADER

Json = dict[str, Any]
_NUMBER: Json = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
_PATTERN = "An SQL pattern in any case: `%` stands for any text, `_` for any character."
_MEANINGS = {
    "name": _PATTERN,
    "username": _PATTERN,
    "firstname": _PATTERN,
    "lastname": _PATTERN,
    "email": _PATTERN,
    "image": _PATTERN,
    "description": _PATTERN,
    "database": _PATTERN,
    "country": "Only those with this very country.",
    "ip": "Only those with this very address.",
    "encrypted": "Only those that are, or are not, encrypted; True, False, 1 or 0 in any case.",
    "status": "Only those in this state.",
    "include": "`metadata`: the answer is an envelope with `data` and `links`. Other words are ignored.",
    "state": "`open`: only those that have not ended.",
    "scope": "Only those of this scope.",
    "operation": "Only those for this operation.",
    "port": "Only those with an open port of this number.",
    "include_root": "Anything: with `organization_id`, roles of no organization too.",
    "organization_id": "Only those of this organization.",
    "collaboration_id": "Only those of this collaboration.",
    "role_id": "Only those with this role.",
    "rule_id": "Only those with this rule.",
    "user_id": "Only those of this user.",
    "node_id": "Only those of this node's organization in its collaboration.",
    "task_id": "Only those of this task.",
    "result_id": "Only those of this result.",
    "run_id": "Only those of this run.",
    "parent_id": "Only the subtasks of this task.",
    "initiator_id": "Only those from this organization.",
    "init_user_id": "Only those from this user.",
}
_TIMES = {
    "last_seen": "last seen",
    "assigned": "assigned",
    "started": "started",
    "finished": "finished",
}
PAGING: tuple[Json, ...] = (
    {
        "name": "page",
        "in": "query",
        "description": "Which page, from 1. Without it: all rows.",
        "schema": _NUMBER,
        "example": 1,
    },
    {
        "name": "per_page",
        "in": "query",
        "description": "Rows a page; 10 if not given. Without `page` it says nothing.",
        "schema": _NUMBER,
        "example": 10,
    },
)
_METADATA: Json = {
    "name": "include",
    "in": "query",
    "schema": {"type": "array", "items": {"type": "string"}},
    "example": ["metadata"],
}
KEY: Json = {
    "name": HEADER,
    "in": "header",
    "description": "The same request with the same key is carried out once, however often it comes.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
}


def explained(made: Json, own: Mapping[str, str], *, paged: bool, once: bool) -> list[Json]:
    """The parameters of an operation, each with its meaning, and those that all lists or all creations have."""
    known = {one["name"] for one in made.get("parameters", ())}
    extra = [one for one in (*PAGING, _METADATA) if paged and one["name"] not in known]
    return [*_with_meanings([*made.get("parameters", ()), *extra], own), *([KEY] if once else ())]


def _with_meanings(parameters: list[Json], own: Mapping[str, str]) -> Iterator[Json]:
    for one in parameters:
        name = one["name"]
        if one["in"] == "path":
            yield one | {"description": "An id.", "schema": _ID, "example": 7}
        else:
            text = own.get(name) or one.get("description") or _meaning(name)
            yield one | {"description": text, "schema": _without_null(one["schema"])}


def _without_null(schema: Json) -> Json:
    # A parameter is there or not; nothing in an address is null.
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1 or len(kinds) == len(schema["anyOf"]):
        return schema
    return {key: value for key, value in schema.items() if key not in ("anyOf", "default")} | kinds[0]


def _meaning(name: str) -> str:
    """Raises LookupError for a parameter that nobody has explained yet."""
    for stem, words in _TIMES.items():
        if name == f"{stem}_from":
            return f"Only those {words} then or later; a date (its midnight, UTC) or a time."
        if name == f"{stem}_till":
            return f"Only those {words} then or earlier; a date (the whole of that day) or a time."
    if name not in _MEANINGS:
        raise LookupError(f"no description of the parameter {name}")
    return _MEANINGS[name]


_ID: Json = {"type": "integer", "minimum": 0}
