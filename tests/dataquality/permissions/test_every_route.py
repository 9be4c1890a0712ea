"""Every route of every service has a row in matrix.yaml, and those at which no rules count do what theirs says."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from dataquality.auth.app import make_app as make_auth
from dataquality.core.settings import Settings
from dataquality.dispatch.app import make_app as make_dispatch
from dataquality.entity.app import make_app as make_entity
from support.arrange import Arrangement
from support.matrix import (
    ANYONE,
    CONTAINER,
    NODE,
    SERVICE,
    Address,
    CallerKind,
    Endpoint,
    addresses,
    all_rules,
    bare_title,
    endpoints,
    known_titles,
    rows_of_routes,
)
from support.permissions import PermissionWorld, Things
from support.services import Services

_APPS = {"auth": make_auth, "entity": make_entity, "dispatch": make_dispatch}
_API = "/api"
_OBJECT_FIELD = re.compile(r"(\w+_)?ids?")
"""A field of a body that names objects by their ids. Roles and rules are in test_guards.py."""
_USER = CallerKind("user", tuple(all_rules()))
Apps = dict[str, FastAPI]


@pytest.fixture
def apps(services_on_sqlite: Services) -> Apps:
    """The applications of the three services, which are not running."""
    secrets = Path(services_on_sqlite.environment["DATAQUALITY_SECRETS"])
    settings = Settings(secrets=secrets, component="matrix", auth_url=services_on_sqlite.addresses["auth"])
    assert settings.api_path == _API
    return {name: make_app(settings) for name, make_app in _APPS.items()}


def routes_of(apps: Apps) -> set[tuple[str, str]]:
    """Service, method and path of every route: also of those that the description of the API leaves out."""
    return {
        (service, bare_title(f"{method} {str(route.path).removeprefix(_API)}"))
        for service, app in apps.items()
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }


def test_every_route_has_a_row_and_every_row_a_route(apps: Apps) -> None:
    """Whoever adds a route says in matrix.yaml who may use it."""
    assert routes_of(apps) ^ rows_of_routes() == set()


def test_routes_are_of_one_kind_which_this_file_looks_at(apps: Apps) -> None:
    """Mounted applications and sockets have no methods, and would be passed over."""
    routes = [route for app in apps.values() for route in iter_route_contexts(app.routes)]
    assert [route.path for route in routes if not isinstance(route.original_route, APIRoute)] == []


@pytest.mark.parametrize("service", _APPS)
@pytest.mark.parametrize("path", ["/api/new", "/api/node/{identity:int}/new", "/internal/new"])
@pytest.mark.parametrize("is_described", [True, False])
def test_new_route_without_a_row_is_noticed(apps: Apps, service: str, path: str, is_described: bool) -> None:
    async def new() -> None: ...

    apps[service].add_api_route(path, new, methods=["POST"], include_in_schema=is_described)
    assert routes_of(apps) - rows_of_routes() == {(service, bare_title(f"POST {path.removeprefix(_API)}"))}


def test_every_operation_of_the_running_description_has_a_row(services_on_sqlite: Services) -> None:
    document = services_on_sqlite.anyone.get("/openapi.json").json()
    described = {
        bare_title(f"{method.upper()} {path.removeprefix(_API)}")
        for path, operations in document["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "patch", "delete", "head", "options")
    }
    assert len(described) > 60
    assert described - {title for _, title in rows_of_routes()} == set()


def test_every_object_that_a_body_names_is_named_in_a_row(services_on_sqlite: Services) -> None:
    """A right to change one object is not one to put it anywhere: whoever adds such a field says who may use it."""
    document = services_on_sqlite.anyone.get("/openapi.json").json()
    described = {
        (bare_title(f"{method.upper()} {path.removeprefix(_API)}"), field)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for field in _body_fields(document, operation)
        if _OBJECT_FIELD.fullmatch(field)
    }
    assert ("PATCH /user/{}", "organization_id") in described
    named = {
        (bare_title(title), field)
        for endpoint in endpoints()
        for title in known_titles([endpoint])
        for field in endpoint.objects_in_body
    }
    assert described - named == set()


def _body_fields(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    if "requestBody" not in operation:
        return set()
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(document["components"]["schemas"][name]["properties"])


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.title)
def test_row_of_a_path_with_an_id_says_whose_objects_it_is_for(endpoint: Endpoint) -> None:
    """Own and foreign ones: a row that named no objects would be tried with one."""
    assert "{" not in endpoint.path or "object" in endpoint.row


@pytest.mark.parametrize("address", addresses(), ids=lambda address: address.title)
def test_address_without_rules_answers_each_kind_of_caller_as_its_row_says(
    address: Address, services_on_sqlite: Services
) -> None:
    world = PermissionWorld(Arrangement(services_on_sqlite))
    wrong: list[str] = []
    with world.fresh(None, "own") as (things, _), httpx.Client(timeout=30, trust_env=False) as http:
        for caller, token in _tokens(world, things).items():
            for name, url in _urls(address, services_on_sqlite, things):
                answer = http.request(address.method, url, json=address.row.get("body"), headers=_bearer(token))
                if answer.status_code != address.expected(caller):
                    wrong.append(f"{caller.name} on {name}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


def _tokens(world: PermissionWorld, things: Things) -> dict[CallerKind, str | None]:
    user = world.person("of all rules", all_rules()).token
    return {ANYONE: None, _USER: user, NODE: things.node, CONTAINER: things.container, SERVICE: things.service}


def _urls(address: Address, services: Services, things: Things) -> Iterable[tuple[str, str]]:
    for service in address.services:
        for name in ("own", "stranger") if "{" in address.title else ("own",):
            path = address.path(things, name)
            below = "" if path.startswith("/internal") else _API
            yield f"{service} {name}", f"{services.addresses[service]}{below}{path}"


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
