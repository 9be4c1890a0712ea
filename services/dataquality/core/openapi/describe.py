"""Makes the description of one service.

Parameters, request bodies and who may call come from the handlers' types. The table adds what types do not say: a
summary, the permission in words, why a request is refused, and the shape of the answer.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from dataquality.core.callers import OnlyKinds, OnlyPermitted
from dataquality.core.idempotency import once_of
from dataquality.core.openapi.answers import (
    PAGE_HEADERS,
    REPLAY_HEADERS,
    Traits,
    answers_of,
    errors_of,
    header,
)
from dataquality.core.openapi.described import Described, Table
from dataquality.core.openapi.examples import example_of
from dataquality.core.openapi.links import add_links, put_links
from dataquality.core.openapi.parameters import explained
from dataquality.core.paging import page_of

Json = dict[str, Any]


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
        made = document["paths"][route.path_format][method.lower()]
        operation = _operation(made, name, route, table[name], schemas)
        paths.setdefault(route.path_format, {})[method.lower()] = operation
    if left:
        raise LookupError(f"descriptions of routes that do not exist: {', '.join(sorted(left))}")
    add_links(paths, api_path)
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
    parameters = explained(made, told.parameters, paged=paged, once=once)
    errors = errors_of(told, _traits(made, name, callers, parameters, once=once))
    headers = {key: header(text) for key, text in told.headers.items()}
    headers |= (PAGE_HEADERS if paged else {}) | (REPLAY_HEADERS if once else {})
    operation: Json = {
        "operationId": route.name,
        "tags": [name.split("/")[1]],
        "summary": told.summary,
        "description": _description(route, told, callers or "anyone", only),
        "parameters": parameters,
        "responses": answers_of(told, errors, schemas, headers),
        "security": [{"bearer": []}] if callers else [],
        "x-permission": told.permission,
        "x-callers": callers or "anyone",
    }
    put_links(operation, list(told.links))
    if "requestBody" in made:
        operation["requestBody"] = _body(made["requestBody"]["content"]["application/json"], told, schemas)
    return operation


def _traits(made: Json, name: str, callers: str, parameters: list[Json], *, once: bool) -> Traits:
    body = "requestBody" in made
    return Traits(
        writes=not name.startswith("GET "),
        callers=callers,
        takes_input=body or any(one["in"] != "path" for one in parameters),
        query=any(one["in"] == "query" for one in parameters),
        body=body,
        path=any(one["in"] == "path" for one in parameters),
        once=once,
    )


def _body(content: Json, told: Described, schemas: Json) -> Json:
    example = example_of(content["schema"], schemas) if told.example is None else told.example
    return {"required": True, "content": {"application/json": content | {"example": example}}}


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for one in dependant.dependencies:
        yield from _all(one)


def _description(route: Any, told: Described, callers: str, only: OnlyKinds | None) -> str:
    needed = ""
    if isinstance(only, OnlyPermitted):
        needed = f" At least one scope of {only.operation.name.lower()} {only.resource} is needed."
    return f"{route.description}\n\n**Callers:** {callers}. **Permission:** {told.permission}.{needed}"
