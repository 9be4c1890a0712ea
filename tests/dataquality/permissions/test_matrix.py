"""The whole matrix of permissions, role by scope by endpoint by object, against the table in matrix.yaml."""

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from dataquality.model import Base
from support.arrange import Arrangement
from support.matrix import (
    ANYONE,
    CONTAINER,
    NODE,
    SERVICE,
    CallerKind,
    Endpoint,
    all_rules,
    bystanders,
    callers,
    endpoints,
)
from support.permissions import PermissionWorld, Person, Things
from support.services import Services, service_of

_worlds: dict[str, PermissionWorld] = {}
# What requests may not change when they are refused; the worker and the sockets are busy with the other tables.
_TABLES = {
    "organization", "collaboration", "member", "node", "user", "role", "permission", "userpermission",
    "role_rule_association", "task", "result", "resultcontent", "algorithmport", "audit", "refreshsession",
}  # fmt: skip
Cell = tuple[CallerKind, str]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """Keeps its connections: there are thousands of calls."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.title)
def test_everybody_may_do_what_the_table_says_and_nothing_else(
    endpoint: Endpoint, services_on_postgres: Services, http: httpx.Client
) -> None:
    Calls(endpoint, services_on_postgres, http).check(callers(endpoint))


@pytest.mark.soak
@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.title)
def test_everybody_may_do_the_same_on_sqlite(
    endpoint: Endpoint, services_on_sqlite: Services, http: httpx.Client
) -> None:
    Calls(endpoint, services_on_sqlite, http).check(callers(endpoint))


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.title)
def test_no_single_rule_opens_what_is_not_its_own(
    endpoint: Endpoint, services_on_sqlite: Services, http: httpx.Client
) -> None:
    Calls(endpoint, services_on_sqlite, http).check(bystanders(endpoint), most_objects=1)


@pytest.mark.soak
@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.title)
def test_no_single_rule_opens_any_object_that_is_not_its_own(
    endpoint: Endpoint, services_on_sqlite: Services, http: httpx.Client
) -> None:
    Calls(endpoint, services_on_sqlite, http).check(bystanders(endpoint))


def test_the_rules_are_those_of_the_contract(services_on_sqlite: Services) -> None:
    world = PermissionWorld(Arrangement(services_on_sqlite))
    assert set(world.rule_ids) == set(all_rules())
    assert len(all_rules()) == 53


class Calls:
    """Makes the calls of one endpoint: first those that must change nothing, then those that may."""

    def __init__(self, endpoint: Endpoint, services: Services, http: httpx.Client) -> None:
        self._endpoint = endpoint
        # One world per database.
        self._world = _worlds.setdefault(services.database_url, PermissionWorld(Arrangement(services)))
        self._http = http
        self._services = services
        self._wrong: list[str] = []

    def check(self, callers: Sequence[CallerKind], most_objects: int | None = None) -> None:
        """Call each object (or so many of them) as each of these."""
        shared, people = self._world.shared, {caller: self._person(caller) for caller in callers}
        cells = [(caller, name) for caller in callers for name in self._endpoint.objects(shared)[:most_objects]]
        before = self._contents()
        for caller, name in cells:
            if not self._changes((caller, name)):
                self._call(caller, name, shared, people[caller])
        changed = [table for table, rows in self._contents().items() if rows != before[table]]
        assert not self._wrong, "\n".join(self._wrong)
        assert not changed, f"refused calls changed {changed}"
        for caller, name in filter(self._changes, cells):
            with self._world.fresh(self._person(caller), name) as (things, person):
                self._call(caller, name, things, person)
        assert not self._wrong, "\n".join(self._wrong)

    def _changes(self, cell: Cell) -> bool:
        return self._endpoint.method != "GET" and self._endpoint.expected(*cell) < 400

    def _call(self, caller: CallerKind, name: str, things: Things, person: Person | None) -> None:
        path, body = self._endpoint.request(name, things, person)
        tokens = {NODE: things.node, CONTAINER: things.container, SERVICE: things.service, ANYONE: None}
        token = tokens.get(caller, person and person.token)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self._services.addresses[service_of(path)]}/api{path}"
        answer = self._http.request(self._endpoint.method, url, json=body, headers=headers)
        expected = self._endpoint.expected(caller, name)
        case = f"{self._endpoint.title} as {caller.name} on {name}"
        if self._endpoint.is_list and self._endpoint.allowed(caller) and caller not in (ANYONE, SERVICE):
            self._compare_list(case, caller, answer, things, person)
        elif answer.status_code != expected:
            self._wrong.append(f"{case}: {answer.status_code} instead of {expected}: {answer.text[:200]}")
        elif answer.status_code >= 400 and not isinstance(answer.json()["msg"], str):
            self._wrong.append(f"{case}: no text in {answer.text[:200]}")

    def _compare_list(
        self, case: str, caller: CallerKind, answer: httpx.Response, things: Things, person: Person | None
    ) -> None:
        kind = self._endpoint.row["list"]
        names = things.ids[kind] | ({"self": person.id} if person and kind == "user" else {})
        listed = {item["id"] for item in answer.json()} if answer.status_code == 200 else set[int]()
        found = {name for name, identity in names.items() if identity in listed}
        wanted = set(self._endpoint.allowed(caller) or ())
        if found != wanted:
            self._wrong.append(f"{case}: {answer.status_code}, {sorted(found)} instead of {sorted(wanted)}")

    def _person(self, caller: CallerKind) -> Person | None:
        return None if caller.rules is None else self._world.person(caller.name, caller.rules)

    def _contents(self) -> dict[str, list[Any]]:
        """All rows of all tables that a refused request must leave as they were; reading needs no such proof."""
        if self._endpoint.method == "GET":
            return {}
        with self._world.there.engine.connect() as connection:
            return {table: list(connection.exec_driver_sql(_rows_of(table)).all()) for table in _TABLES}


def _rows_of(table: str) -> str:
    keys = ", ".join(column.name for column in Base.metadata.tables[table].primary_key)
    return f'SELECT * FROM "{table}" ORDER BY {keys}'
