"""The API's description (OpenAPI 3.1), made from the routes themselves and one table of operations for each service.

Parameters, request bodies and who may call come from the handlers' types. The table adds what types do not say: a
summary, the permission in words, and the shape of the answer. `Listed(X)` is a list that may come in an envelope.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter

from dataquality.core.callers import OnlyKinds, OnlyPermitted
from dataquality.core.idempotency import HEADER, REPLAYED, once_of
from dataquality.core.paging import page_of
from dataquality.core.shapes import Error

Json = dict[str, Any]
_TEMPLATE = "#/components/schemas/{model}"
_DESCRIPTIONS = {
    400: "The request cannot be carried out as it stands; `msg` says why, and `message` which fields are wrong.",
    401: "Not signed in, or not allowed.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    409: f"A request with the same {HEADER} is being carried out.",
    413: "The body is too large.",
    422: f"The token is malformed or of another kind, or the {HEADER} came with another request before.",
    429: "Too many attempts failed; the header Retry-After says for how many seconds to wait.",
    503: "A part of the server does not answer. Nothing was done; try again soon.",
}
_CODES = {
    400: "bad_request", 401: "unauthorized", 404: "not_found", 408: "too_slow", 409: "in_progress", 413: "too_large",
    422: "invalid_token", 429: "too_many_requests", 503: "unavailable",
}  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A list of these, in pages where the request asks for them."""

    item: Any


@dataclass(frozen=True)
class Described:
    """What the types of a handler do not say about it."""

    summary: str
    answer: Any
    permission: str = "none"
    status: int = 200
    errors: Sequence[int] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    token: str = ""
    """Which token it takes, where that is not an access token of `OnlyKinds`."""


Table = Mapping[str, Described]
"""By method and path below the API path, such as `GET /user/{user_id}`."""


def describe(app: FastAPI, api_path: str, table: Table) -> Json:
    """The description of a service's public routes. Raises LookupError where the table and the routes differ."""
    document = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
    paths: Json = {}
    schemas: Json = document.get("components", {}).get("schemas", {})
    left = set(table)
    for route in public_routes(app, api_path):
        [method] = route.methods
        name = f"{method} {route.path_format.removeprefix(api_path)}"
        if name not in table:
            raise LookupError(f"no description of {name}")
        left.discard(name)
        operation = document["paths"][route.path_format][method.lower()]
        paths.setdefault(route.path_format, {})[method.lower()] = _operation(
            operation, name, route, table[name], schemas
        )
    if left:
        raise LookupError(f"descriptions of routes that do not exist: {', '.join(sorted(left))}")
    _link(paths, api_path)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return {"paths": paths, "components": {"schemas": schemas}}


def public_routes(app: FastAPI, api_path: str) -> Iterator[Any]:
    """The routes that the gateway leads to and that the description tells of."""
    for route in iter_route_contexts(app.routes):
        if (
            isinstance(route.original_route, APIRoute)
            and route.include_in_schema
            and str(route.path).startswith(api_path + "/")
        ):
            yield route


def _operation(made: Json, name: str, route: Any, told: Described, schemas: Json) -> Json:
    calls = [dependant.call for dependant in _all(route.dependant)]
    only = next((call for call in calls if isinstance(call, OnlyKinds)), None)
    paged, once = page_of in calls, once_of in calls
    callers = only.names if only else told.token
    operation: Json = {
        "operationId": route.name,
        "tags": [name.split("/")[1]],
        "summary": told.summary,
        "description": _description(route, told, callers or "anyone", only),
        "parameters": [*made.get("parameters", ()), *(_paging(made) if paged else ()), *([_KEY] if once else ())],
        "responses": _responses(made, told, schemas, secured=bool(callers), paged=paged, once=once),
        "security": [{"bearer": []}] if callers else [],
        "x-permission": told.permission,
        "x-callers": callers or "anyone",
    }
    if "requestBody" in made:
        content = made["requestBody"]["content"]["application/json"]
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": content | {"example": example_of(content["schema"], schemas)}},
        }
    return operation


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for one in dependant.dependencies:
        yield from _all(one)


def _description(route: Any, told: Described, callers: str, only: OnlyKinds | None) -> str:
    needed = ""
    if isinstance(only, OnlyPermitted):
        needed = f" At least one scope of {only.operation.name.lower()} {only.resource} is needed."
    return f"{route.description}\n\n**Callers:** {callers}. **Permission:** {told.permission}.{needed}"


def _paging(made: Json) -> Sequence[Json]:
    """Those of these parameters that the handler's own types do not tell of already."""
    known = {one["name"] for one in made.get("parameters", ())}
    return [one for one in (*_PAGING, _INCLUDE) if one["name"] not in known]


def _responses(made: Json, told: Described, schemas: Json, *, secured: bool, paged: bool, once: bool) -> Json:
    schema, example = _schema(told.answer, schemas)
    headers = {name: _header(text) for name, text in told.headers.items()}
    if paged:
        headers |= _PAGE_HEADERS
    if once:
        headers[REPLAYED] = _header("`true` where this is the answer that the same request had before")
    success: Json = {"description": told.summary, "content": {"application/json": {"schema": schema}}}
    if example is not None:
        success["content"]["application/json"]["example"] = example
    if headers:
        success["headers"] = headers
    statuses = {503, *told.errors, *((401, 422) if secured else ()), *((409, 422) if once else ())}
    if made.get("parameters") or "requestBody" in made or paged or once:
        statuses.add(400)
    if "requestBody" in made:
        statuses |= {408, 413}
    if any(one["in"] == "path" for one in made.get("parameters", ())):
        statuses.add(404)
    return {str(told.status): success, **{str(status): _error(status, schemas) for status in sorted(statuses)}}


def _header(text: str, kind: str = "string") -> Json:
    return {"description": text, "schema": {"type": kind}}


def _error(status: int, schemas: Json) -> Json:
    schema, _ = _schema(Error, schemas)
    example = {"msg": _DESCRIPTIONS[status], "code": _CODES[status]}
    return {
        "description": _DESCRIPTIONS[status],
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _schema(answer: Any, schemas: Json) -> tuple[Json, Any]:
    if isinstance(answer, Listed):
        item, example = _schema(list[answer.item], schemas)
        links, _ = _schema(dict[str, str], schemas)
        properties = {"data": item, "links": links}
        envelope: Json = {"type": "object", "properties": properties, "required": ["data", "links"]}
        return {"anyOf": [item, {**envelope, "additionalProperties": False}]}, example
    schema = TypeAdapter[Any](answer).json_schema(mode="serialization", ref_template=_TEMPLATE)
    schemas.update(schema.pop("$defs", {}))
    if schema.get("type") == "object" and "title" in schema:
        schemas[schema["title"]] = schema
        schema = {"$ref": _TEMPLATE.format(model=schema["title"])}
    return schema, example_of(schema, schemas)


def example_of(schema: Json, schemas: Json) -> Any:
    """An example of what a schema describes: its own where it has one, else one made from its parts."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "properties" in schema:
        return _plain_example(schema, schemas)
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example_of(schema[key][0], schemas)
    return _plain_example(schema, schemas)


def _plain_example(schema: Json, schemas: Json) -> Any:
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
            return "2026-11-23T10:00:00.000000+00:00" if schema.get("format") == "date-time" else "text"
        case _:
            return None


def _link(paths: Json, api_path: str) -> None:
    """What was made can be looked at, changed and deleted: by the `id` in the answer."""
    for path, operations in paths.items():
        made = operations.get("post")
        noun = re.fullmatch(re.escape(api_path) + r"/[a-z]+", path)
        if made is None or noun is None:
            continue
        links: Json = {}
        for other, targets in paths.items():
            if not re.fullmatch(re.escape(path) + r"/\{\w+\}(/[a-z]+)?", other):
                continue
            name = re.findall(r"\{(\w+)\}", other)[0]
            for target in targets.values():
                links[target["operationId"]] = {
                    "operationId": target["operationId"],
                    "parameters": {f"path.{name}": "$response.body#/id"},
                }
        for status in made["responses"]:
            if status < "300":
                made["responses"][status]["links"] = links


_NUMBER: Json = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
_INCLUDE: Json = {
    "name": "include",
    "in": "query",
    "description": "`metadata`: the answer is an envelope with `data` and `links`. Other words are ignored.",
    "schema": {"type": "array", "items": {"type": "string"}},
    "example": ["metadata"],
}
_PAGING: tuple[Json, ...] = (
    {"name": "page", "in": "query", "description": "Which page, from 1. Without it: all rows.", "schema": _NUMBER},
    {"name": "per_page", "in": "query", "description": "Rows a page; 10 if not given.", "schema": _NUMBER},
)
_KEY: Json = {
    "name": HEADER,
    "in": "header",
    "description": "The same request with the same key is carried out once, however often it comes.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    "example": "0b0e3f6e-4f5c-4f0e-9f0a-3a1f5f7f7a10",
}
_PAGE_HEADERS: Json = {
    "total-count": _header("How many rows there are in all", "integer"),
    "Link": _header("Path and query of the first, previous, this, next and last page"),
}
