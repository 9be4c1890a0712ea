"""Every list with its filters and pages, held against a plain account in Python of what the contract says.

rest-api.md, sections 0.3 and 0.4, and the queries of sections 2 and 3.
"""

import random
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataquality.model import (
    AlgorithmPort,
    Collaboration,
    Organization,
    ResultStatus,
    Role,
    Rule,
    Task,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
)
from support.databases import PostgresServer, SqliteFiles, sync_engine
from support.inside import Inside, inside
from support.rows import Rows

Row = dict[str, Any]
Query = list[tuple[str, str]]
START = datetime(2026, 1, 30, 12, tzinfo=UTC)
NAMES = ["Alpha", "alpha beta", "50%", "a_b", "axb", "back\\slash", "ALPHA\\", "", "50 percent", "gamma", None]
PATTERNS = st.one_of(
    st.sampled_from([name for name in NAMES if name is not None]),
    st.text("aAlpB5%_\\ x", max_size=6),
)
BOOLEANS = {"true": True, "True": True, "TRUE": True, "1": True, "false": False, "False": False, "0": False}


def fits(text: str | None, pattern: str) -> bool:
    """SQL's LIKE in any case: `%` any characters, `_` one, a backslash takes the next for what it is."""
    expression, characters = "", iter(pattern)
    for character in characters:
        if character == "\\":
            expression += re.escape(next(characters, "\\"))
        else:
            expression += {"%": ".*", "_": "."}.get(character, re.escape(character))
    return text is not None and re.fullmatch(expression, text, re.IGNORECASE | re.DOTALL) is not None


@dataclass(frozen=True)
class Filter:
    """A query parameter: what may be asked, and which rows that means."""

    values: st.SearchStrategy[str]
    means: Callable[[Row, str], bool]


def like(key: str) -> Filter:
    return Filter(PATTERNS, lambda row, value: fits(row[key], value))


def equal(key: str, values: Sequence[Any]) -> Filter:
    return Filter(st.sampled_from([str(value) for value in values]), lambda row, value: str(row[key]) == value)


def among(key: str, values: Sequence[int]) -> Filter:
    return Filter(st.sampled_from([str(value) for value in values]), lambda row, value: int(value) in row[key])


def boolean(key: str) -> Filter:
    return Filter(st.sampled_from(list(BOOLEANS)), lambda row, value: row[key] == BOOLEANS[value])


def _days() -> st.SearchStrategy[str]:
    return st.integers(-2, 5).map(lambda days: (START + timedelta(days=days)).date().isoformat())


def since(key: str) -> Filter:
    return Filter(_days(), lambda row, day: row[key] is not None and row[key].date().isoformat() >= day)


def until(key: str) -> Filter:
    return Filter(_days(), lambda row, day: row[key] is not None and row[key].date().isoformat() <= day)


@dataclass(frozen=True)
class ListRoute:
    """A list: its rows in their order, whom else than root they concern, and its filters."""

    path: str
    rows: list[Row]
    visible: Callable[[Row], bool]
    """To somebody of the first organization with the rules of that scope."""
    filters: dict[str, Filter]


class World:
    """The services, two users, and the lists as they must look to them. (No dataclass: reports would print it all.)"""

    def __init__(self, services: Inside, root: int, colleague: int, lists: dict[str, ListRoute]) -> None:
        self.inside = services
        self.root = root
        self.colleague = colleague
        self.lists = lists


LISTS = ("user", "role", "rule", "organization", "collaboration", "node", "task", "result", "port")


def _fill(rows: Rows) -> tuple[int, int, dict[str, ListRoute]]:
    chance = random.Random(7)
    root = rows.one(User.__table__.c.id, User.__table__.c.username == "root")
    organizations = _organizations(rows)
    own = organizations[0]["id"]
    collaborations = _collaborations(rows, organizations, chance)
    nodes = _nodes(rows, collaborations, chance)
    roles, role_ids = _roles(rows, organizations, chance)
    users = _users(rows, organizations, role_ids, chance)
    viewer = next(role["id"] for role in roles if role["name"] == "Viewer")
    colleague = rows.users([{"username": "colleague", "email": "c@mail", "organization_id": own}])[0]
    rows.link(permission, [{"role_id": viewer, "user_id": colleague}])
    users.append(_user(colleague, "colleague", None, "c@mail", own, None, {viewer}, set()))
    users = [_root(rows, root), *users]
    for role in roles:
        role["users"] = {user["id"] for user in users if role["id"] in user["roles"]}
    tasks = _tasks(rows, collaborations, users, chance)
    results = _results(rows, tasks, nodes, chance)
    ports = _ports(rows, results, chance)
    _derive(tasks, results)
    mine = {one["id"] for one in collaborations if own in one["members"]}
    partners = {each for one in collaborations if one["id"] in mine for each in one["members"]} | {own}
    ids: dict[str, list[int]] = {
        "organization": [one["id"] for one in organizations],
        "collaboration": [one["id"] for one in collaborations],
        "role": [one["id"] for one in roles],
        "node": [one["id"] for one in nodes],
        "task": [one["id"] for one in tasks],
        "result": [one["id"] for one in results],
        "user": [one["id"] for one in users],
    }
    runs = sorted({task["run_id"] for task in tasks})
    newest = {"task": tasks[::-1], "result": results[::-1], "port": ports[::-1]}
    rules = _rules(rows, roles)
    lists = [
        ListRoute("user", users, lambda row: row["organization_id"] == own, {
            **{key: like(key) for key in ("username", "firstname", "lastname", "email")},
            "organization_id": equal("organization_id", ids["organization"]),
            "role_id": among("roles", ids["role"]),
            "rule_id": among("rules", range(1, 8)),
            "last_seen_from": since("last_seen"),
            "last_seen_till": until("last_seen"),
        }),
        ListRoute("role", roles, lambda row: row["organization_id"] in (own, None), {
            "name": like("name"), "description": like("description"),
            "organization_id": equal("organization_id", ids["organization"]),
            "rule_id": among("rules", range(1, 8)),
            "user_id": among("users", ids["user"]),
        }),
        ListRoute("rule", rules, lambda row: True, {
            "name": equal("name", ["node", "task", "nothing"]),
            "operation": equal("operation", ["VIEW", "EDIT", "CREATE", "DELETE"]),
            "scope": equal("scope", ["OWN", "ORGANIZATION", "COLLABORATION", "GLOBAL"]),
            "role_id": among("roles", ids["role"]),
        }),
        ListRoute("organization", [_root_organization(rows), *organizations], lambda row: row["id"] in partners, {
            "name": like("name"), "country": equal("country", ["NL", "nl", "IT"]),
            "collaboration_id": among("collaborations", ids["collaboration"]),
        }),
        ListRoute("collaboration", collaborations, lambda row: row["id"] in mine, {
            "name": like("name"), "encrypted": boolean("encrypted"),
            "organization_id": among("members", [own]),
        }),
        ListRoute("node", nodes, lambda row: row["organization_id"] == own, {
            "name": like("name"), "ip": equal("ip", ["10.0.0.1", "10.0.0.2", "10.0.0._"]),
            "status": equal("status", ["online", "offline"]),
            "organization_id": equal("organization_id", ids["organization"]),
            "collaboration_id": equal("collaboration_id", ids["collaboration"]),
            "last_seen_from": since("last_seen"), "last_seen_till": until("last_seen"),
        }),
        ListRoute("task", newest["task"], lambda row: row["collaboration_id"] in mine, {
            **{key: like(key) for key in ("name", "image", "description", "database")},
            "collaboration_id": equal("collaboration_id", ids["collaboration"]),
            "initiator_id": equal("initiator_id", ids["organization"]),
            "init_user_id": equal("init_user_id", ids["user"]),
            "parent_id": equal("parent_id", ids["task"]),
            "run_id": equal("run_id", runs),
            "result_id": among("results", ids["result"]),
            "status": equal("status", ["pending", "active", "completed", "failed", "unknown", "initializing"]),
        }),
        ListRoute("result", newest["result"], lambda row: row["collaboration_id"] in mine, {
            "task_id": equal("task_id", ids["task"]),
            "organization_id": equal("organization_id", ids["organization"]),
            "node_id": equal("node_id", ids["node"]),
            "port": among("ports", [8000, 8001, 8002]),
            "state": Filter(st.just("open"), lambda row, _: row["finished_at"] is None),
            **{f"{key}_from": since(f"{key}_at") for key in ("assigned", "started", "finished")},
            **{f"{key}_till": until(f"{key}_at") for key in ("assigned", "started", "finished")},
        }),
        ListRoute("port", newest["port"], lambda row: row["collaboration_id"] in mine, {
            "task_id": equal("task_id", ids["task"]),
            "result_id": equal("result_id", ids["result"]),
            "run_id": equal("run_id", runs),
        }),
    ]  # fmt: skip
    return root, colleague, {route.path: route for route in lists}


def _with_ids(rows: Sequence[Row], identities: Sequence[int], **more: Any) -> list[Row]:
    return [{"id": identity, **row, **more} for row, identity in zip(rows, identities, strict=True)]


def _root_organization(rows: Rows) -> Row:
    table = Organization.__table__
    identity = rows.one(table.c.id, table.c.name == "root")
    return {"id": identity, "name": "root", "country": None, "collaborations": set()}


def _organizations(rows: Rows) -> list[Row]:
    values = [{"name": name, "country": ("NL", "nl", None)[at % 3]} for at, name in enumerate(NAMES)]
    made = _with_ids(values, rows.add(Organization, values))
    return [{**one, "collaborations": set[int]()} for one in made]


def _collaborations(rows: Rows, organizations: list[Row], chance: random.Random) -> list[Row]:
    values = [{"name": name, "encrypted": chance.random() < 0.5} for name in NAMES if name is not None]
    made = [{**one, "members": set[int]()} for one in _with_ids(values, rows.add(Collaboration, values))]
    for one in made:
        for organization in chance.sample(organizations, 4):
            one["members"].add(organization["id"])
            organization["collaborations"].add(one["id"])
    pairs = [(each, one["id"]) for one in made for each in sorted(one["members"])]
    rows.link(member, [{"organization_id": each, "collaboration_id": one} for each, one in pairs])
    return made


def _nodes(rows: Rows, collaborations: list[Row], chance: random.Random) -> list[Row]:
    values = [
        {
            "name": chance.choice(NAMES),
            "organization_id": each,
            "collaboration_id": one["id"],
            "ip": chance.choice(["10.0.0.1", "10.0.0.2", None]),
            "status": chance.choice(["online", "offline", None]),
            "last_seen": _moment(chance),
        }
        for one in collaborations
        for each in sorted(one["members"])
        if chance.random() < 0.7
    ]
    return _with_ids(values, rows.nodes(values))


def _roles(rows: Rows, organizations: list[Row], chance: random.Random) -> tuple[list[Row], list[int]]:
    table, links = Role.__table__, role_rule_association
    built_in = [dict(row) for row in rows.connection.execute(table.select().order_by(table.c.id)).mappings()]
    values = [
        {"name": name, "description": chance.choice(NAMES), "organization_id": chance.choice(organizations[:3])["id"]}
        for name in NAMES
        if name is not None
    ]
    made = _with_ids(values, rows.add(Role, values))
    contents = [(one["id"], rule) for one in made for rule in chance.sample(range(1, 10), 3)]
    rows.link(links, [{"role_id": role, "rule_id": rule} for role, rule in contents])
    everything = rows.connection.execute(links.select()).all()
    every = [{**one, "users": set[int]()} for one in (*built_in, *made)]
    for one in every:
        one["rules"] = {row.rule_id for row in everything if row.role_id == one["id"]}
    return every, [one["id"] for one in made]


def _user(*values: Any) -> Row:
    keys = ("id", "username", "firstname", "email", "organization_id", "last_seen", "roles", "rules")
    return dict(zip(keys, values, strict=True)) | {"lastname": None}


def _root(rows: Rows, identity: int) -> Row:
    table = User.__table__
    row = dict(rows.connection.execute(table.select().where(table.c.id == identity)).mappings().one())
    held = rows.connection.execute(permission.select().where(permission.c.user_id == identity))
    return {**row, "last_seen": None, "roles": {each.role_id for each in held}, "rules": set[int]()}


def _users(rows: Rows, organizations: list[Row], roles: list[int], chance: random.Random) -> list[Row]:
    values = [
        {
            "username": f"{name}{at}",
            "email": f"{name}{at}@mail",
            "firstname": name,
            "lastname": chance.choice(NAMES),
            "organization_id": chance.choice(organizations[:3])["id"],
            "last_seen": _moment(chance),
        }
        for at, name in enumerate(NAMES)
    ]
    made = _with_ids(values, rows.users(values))
    for one in made:
        one["roles"], one["rules"] = set(chance.sample(roles, 2)), set(chance.sample(range(1, 8), 2))
    rows.link(permission, [{"role_id": role, "user_id": one["id"]} for one in made for role in sorted(one["roles"])])
    held = [(rule, one["id"]) for one in made for rule in sorted(one["rules"])]
    rows.link(userpermission, [{"rule_id": rule, "user_id": user} for rule, user in held])
    return made


def _rules(rows: Rows, roles: list[Row]) -> list[Row]:
    table = Rule.__table__
    return [
        {
            "id": row.id,
            "name": row.name,
            "operation": row.operation.name,
            "scope": row.scope.name,
            "roles": {role["id"] for role in roles if row.id in role["rules"]},
        }
        for row in rows.connection.execute(table.select().order_by(table.c.id))
    ]


def _tasks(rows: Rows, collaborations: list[Row], users: list[Row], chance: random.Random) -> list[Row]:
    made: list[Row] = []
    for at in range(24):
        place = chance.choice(collaborations)
        value = {
            **{key: chance.choice(NAMES) for key in ("name", "image", "description", "database")},
            "collaboration_id": place["id"],
            "initiator_id": chance.choice(sorted(place["members"])),
            "init_user_id": chance.choice([None, *(one["id"] for one in users)]),
            "parent_id": chance.choice([None, *(one["id"] for one in made)]),
            "run_id": 1 + at % 5,
        }
        made += _with_ids([value], rows.add(Task, [value]), members=sorted(place["members"]))
    return made


def _results(rows: Rows, tasks: list[Row], nodes: list[Row], chance: random.Random) -> list[Row]:
    values = [
        {
            "task_id": task["id"],
            "organization_id": each,
            "status": chance.choice(list(ResultStatus)),
            "assigned_at": _moment(chance) or START,
            "started_at": _moment(chance),
            "finished_at": _moment(chance),
        }
        for task in tasks
        for each in chance.sample(task["members"], chance.randint(0, 3))
    ]
    made = _with_ids(values, rows.results(values))
    places = {(node["organization_id"], node["collaboration_id"]): node["id"] for node in nodes}
    of = {task["id"]: task for task in tasks}
    for one in made:
        task = of[one["task_id"]]
        one |= {"collaboration_id": task["collaboration_id"], "run_id": task["run_id"], "ports": set[int]()}
        one["node_id"] = places.get((one["organization_id"], task["collaboration_id"]))
    return made


def _ports(rows: Rows, results: list[Row], chance: random.Random) -> list[Row]:
    values: list[Row] = []
    for one in chance.sample(results, 12):
        one["ports"].add(port := chance.choice([8000, 8001, 8002]))
        values.append({"port": port, "result_id": one["id"]})
    of = {one["id"]: one for one in results}
    more = [{key: of[value["result_id"]][key] for key in ("task_id", "run_id", "collaboration_id")} for value in values]
    made = _with_ids(values, rows.add(AlgorithmPort, values))
    return [one | other for one, other in zip(made, more, strict=True)]


def _derive(tasks: list[Row], results: list[Row]) -> None:
    """What the contract derives (data-model.md, section 2); results without a node are not listed."""
    for task in tasks:
        own = [one for one in results if one["task_id"] == task["id"]]
        statuses = [one["status"] for one in own]
        open_ones = [kind for kind in ("active", "initializing", "pending") if kind in statuses]
        failed = any(status not in ("active", "initializing", "pending", "completed") for status in statuses)
        task["results"] = {one["id"] for one in own}
        task["status"] = "failed" if failed else [*open_ones, "completed"][0] if own else "unknown"
    results[:] = [one for one in results if one["node_id"] is not None]


def _moment(chance: random.Random) -> datetime | None:
    hours = chance.choice([None, 0, 11, 12, 24, 30, 71, 84])
    return None if hours is None else START + timedelta(hours=hours)


@contextmanager
def world_on(url: str, folder: Path) -> Generator[World]:
    with sync_engine(url).begin() as connection:
        root, colleague, lists = _fill(Rows(connection))
    with inside(url, folder) as services:
        yield World(services, root, colleague, lists)


@pytest.fixture(scope="module")
def on_sqlite(sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sqlite_files.migrated_database() as url, world_on(url, tmp_path_factory.mktemp("lists")) as world:
        yield world


@pytest.fixture(scope="module")
def on_postgres(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with postgres_server.migrated_database() as url, world_on(url, tmp_path_factory.mktemp("lists")) as world:
        yield world


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    return request.getfixturevalue(f"on_{request.param}")


@st.composite
def asked(draw: st.DrawFn, route: ListRoute) -> tuple[Query, bool]:
    """A query, and whether root asks."""
    names = draw(st.lists(st.sampled_from(sorted(route.filters)), max_size=3, unique=True))
    query = [(name, draw(route.filters[name].values)) for name in names]
    query += [("include", word) for word in draw(st.lists(st.sampled_from(["metadata", "other"]), max_size=3))]
    query += draw(st.sampled_from([[], [("unknown", "x y"), ("unknown", "&=%")]]))
    if draw(st.booleans()):
        sizes = st.integers(1, 12) | st.sampled_from([100, 999_999_999])
        query.append(("page", str(draw(st.integers(1, 6) | st.just(999_999_999)))))
        query += [("per_page", str(size)) for size in draw(st.lists(sizes, max_size=1))]
    else:
        query += [("per_page", text) for text in draw(st.lists(st.sampled_from(["2", "0", "x"]), max_size=1))]
    return draw(st.permutations(query)), draw(st.booleans())


def hold(world: World, route: ListRoute, query: Query, as_root: bool) -> None:
    """Compare the answer with the plain account."""
    answer = world.inside.get(f"/{route.path}", world.root if as_root else world.colleague, query)
    assert answer.status_code == 200, answer.text
    filters = [(route.filters[name], value) for name, value in query if name in route.filters]
    rows = [row for row in route.rows if as_root or route.visible(row)]
    wanted = [row["id"] for row in rows if all(one.means(row, value) for one, value in filters)]
    given_page = dict(query).get("page")
    number, size = int(given_page or 1), int(dict(query).get("per_page", "10")) if given_page else 0
    body: Any = answer.json()
    enveloped = ("include", "metadata") in query
    shown = [row["id"] for row in (body["data"] if enveloped else body)]
    assert shown == (wanted[(number - 1) * size : number * size] if size else wanted)
    assert answer.headers["total-count"] == str(len(wanted))
    found = {relation: link for link, relation in re.findall(r"<([^>]*)>; rel=(\w+)", answer.headers["Link"])}
    assert ",".join(f"<{link}>; rel={relation}" for relation, link in found.items()) == answer.headers["Link"]
    if enveloped:
        assert body == {"data": body["data"], "links": found}
    pages = -(-len(wanted) // size) if size else min(len(wanted), 1)
    targets = {"first": 1, "previous": number - 1, "self": number, "next": number + 1, "last": pages}
    there = {"first", "self"} | ({"last"} if pages else set[str]())
    there |= ({"previous"} if number > 1 else set[str]()) | ({"next"} if number < pages else set[str]())
    assert list(found) == [relation for relation in targets if relation in there]
    for relation, link in found.items():
        kept = [pair for pair in query if pair[0] not in ("page", "per_page")]
        own = [("page", str(targets[relation])), ("per_page", str(size))] if size else []
        target = urlsplit(str(link))
        assert (target.scheme, target.netloc, target.path) == ("", "", f"/api/{route.path}")
        assert parse_qsl(target.query, keep_blank_values=True) == [*kept, *own]


@pytest.mark.parametrize("path", LISTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_list_shows_what_a_plain_account_of_the_contract_shows(world: World, path: str, data: st.DataObject):
    hold(world, world.lists[path], *data.draw(asked(world.lists[path])))


@pytest.mark.soak
@pytest.mark.parametrize("path", LISTS)
@settings(max_examples=3000, deadline=None)
@given(data=st.data())
def test_a_list_shows_so_for_thousands_of_queries(world: World, path: str, data: st.DataObject):
    hold(world, world.lists[path], *data.draw(asked(world.lists[path])))
