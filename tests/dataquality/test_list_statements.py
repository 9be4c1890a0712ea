"""What lists ask of the database: as much for fifty rows as for one, and of a deep page only what it shows."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from dataquality.model import (
    AlgorithmPort,
    Collaboration,
    NodeConfig,
    Organization,
    Role,
    Task,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
)
from support.databases import PostgresServer, SqliteFiles, sync_engine
from support.inside import Inside, Statement, inside
from support.rows import Rows

MANY = 50

# Each list, and how many statements it takes: one to know the caller, one for the rights, and those of the list.
LISTS = {
    "/user?organization_id={organization}": 3,
    "/role?organization_id={organization}": 3,
    "/role/{role}/rule": 4,
    "/rule?role_id={role}": 3,
    "/organization?collaboration_id={collaboration}": 3,
    "/collaboration?organization_id={organization}": 3,
    "/collaboration/{collaboration}/organization": 4,
    "/collaboration/{collaboration}/node": 4,
    "/organization/{organization}/collaboration": 4,
    "/organization/{organization}/node": 4,
    "/node?organization_id={organization}": 3,
    "/task?collaboration_id={collaboration}": 6,
    "/task?collaboration_id={collaboration}&include=results": 9,
    "/collaboration/{collaboration}/task": 8,
    "/task/{task}/result": 7,
    "/result?organization_id={organization}": 6,
    "/result?organization_id={organization}&include=task": 9,
    "/port?result_id={result}": 3,
}
ALWAYS_BARE = "/organization/{organization}/"
LISTS_WITHOUT_TEXTS = [path for path in LISTS if "result" not in path]


@dataclass(frozen=True)
class World:
    """Ids of things that each have as many of everything below them as the world is large."""

    organization: int
    collaboration: int
    role: int
    task: int
    result: int


@dataclass(frozen=True)
class Asked:
    """The services, the first user, and a small and a large world."""

    inside: Inside
    root: int
    small: World
    large: World


@dataclass(frozen=True)
class Deep:
    """The services on a Postgres database with long lists, and a connection to it."""

    inside: Inside
    root: int
    connection: psycopg.Connection[Any]
    collaboration: int

    def read_from(self, table: str, statement: Statement) -> int:
        """How many rows of the table itself, and not of an index on it, the statement reads."""
        explained = self.connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}",  # pyright: ignore[reportArgumentType]
            statement.parameters,
        ).fetchone()
        assert explained
        return sum(_rows(node) for node in _nodes(explained[0][0]["Plan"]) if node.get("Relation Name") == table)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _rows(node: dict[str, Any]) -> int:
    if node["Node Type"] == "Index Only Scan":
        return node["Heap Fetches"]
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]


def connect(url: str) -> psycopg.Connection[Any]:
    place = make_url(url)
    return psycopg.connect(
        host=place.host, port=place.port, user=place.username, password=place.password, dbname=place.database,
        autocommit=True,
    )  # fmt: skip


def make_world(rows: Rows, size: int) -> World:
    named = [{"name": f"{size}-{number}"} for number in range(size)]
    organizations, collaborations = rows.add(Organization, named), rows.add(Collaboration, named)
    organization, collaboration = organizations[0], collaborations[0]
    # The first organization is everywhere; in the first collaboration everybody is.
    places = [(organization, each) for each in collaborations] + [(each, collaboration) for each in organizations[1:]]
    where = [{"organization_id": one, "collaboration_id": other} for one, other in places]
    rows.link(member, where)
    nodes = rows.nodes([{"name": "n", **place} for place in where])
    rows.add(NodeConfig, [{"node_id": node, "key": "k", "value": "v"} for node in nodes])
    named_users = [{"username": f"u{size}-{number}", "email": f"u{size}-{number}@mail"} for number in range(size)]
    users = rows.users([{"organization_id": organization, **user} for user in named_users])
    roles = rows.add(Role, [{"organization_id": organization, **role} for role in named])
    rules = list(range(1, size + 1))
    rows.link(role_rule_association, [{"role_id": roles[0], "rule_id": rule} for rule in rules])
    rows.link(permission, [{"role_id": role, "user_id": users[0]} for role in roles])
    rows.link(userpermission, [{"rule_id": rule, "user_id": users[0]} for rule in rules])
    asked = {"collaboration_id": collaboration, "run_id": 1, "init_user_id": users[0], "initiator_id": organization}
    [first, *others] = rows.add(Task, [{"name": "t", **asked} for _ in range(size)])
    rows.add(Task, [{"name": "sub", "parent_id": first, **asked, "collaboration_id": collaborations[-1]}] * (size > 1))
    results = rows.results([{"task_id": first, "organization_id": each} for each in organizations])
    rows.results([{"task_id": task, "organization_id": organization} for task in others])
    rows.add(AlgorithmPort, [{"port": 1000 + number, "result_id": results[0]} for number in range(size)])
    return World(organization, collaboration, roles[0], first, results[0])


@contextmanager
def asked_on(url: str, folder: Path) -> Generator[Asked]:
    engine = sync_engine(url)
    with engine.begin() as connection:
        rows = Rows(connection)
        small, large = make_world(rows, 1), make_world(rows, MANY)
        root = rows.one(User.__table__.c.id, User.__table__.c.username == "root")
    with inside(url, folder) as services:
        yield Asked(services, root, small, large)


@pytest.fixture(scope="module")
def on_sqlite(sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with sqlite_files.migrated_database() as url, asked_on(url, tmp_path_factory.mktemp("lists")) as asked:
        yield asked


@pytest.fixture(scope="module")
def on_postgres(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with postgres_server.migrated_database() as url, asked_on(url, tmp_path_factory.mktemp("lists")) as asked:
        yield asked


@pytest.fixture(params=["sqlite", "postgres"])
def asked(request: pytest.FixtureRequest) -> Asked:
    return request.getfixturevalue(f"on_{request.param}")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("paging", ["", f"page=1&per_page={MANY}&include=metadata"])
def test_a_list_takes_as_many_statements_for_fifty_rows_as_for_one(asked: Asked, path: str, paging: str):
    counts: list[int] = []
    for world, size in ((asked.small, 1), (asked.large, MANY)):
        filled = path.format_map(vars(world))
        answer = asked.inside.get(f"{filled}{'&' if '?' in filled else '?'}{paging}", asked.root)
        assert answer.status_code == 200, answer.text
        enveloped = paging and not path.startswith(ALWAYS_BARE)
        rows: list[Any] = answer.json()["data"] if enveloped else answer.json()
        assert (len(rows), answer.headers["total-count"]) == (size, str(size))
        counts.append(len(asked.inside.statements))
    # Only where a page is asked for, all rows are counted.
    assert counts == [LISTS[path] + bool(paging)] * 2, [statement.text for statement in asked.inside.statements]


@pytest.mark.parametrize("path", LISTS_WITHOUT_TEXTS)
def test_a_list_that_shows_no_inputs_and_answers_reads_none(asked: Asked, path: str):
    assert asked.inside.get(path.format_map(vars(asked.large)), asked.root).status_code == 200
    assert not [one for one in asked.inside.statements if "resultcontent" in one.text]


PAGES, PER_PAGE = 300, 10


@pytest.fixture(scope="module")
def many_rows(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deep]:
    """Three thousand of each, every one of them wide."""
    with postgres_server.migrated_database() as url:
        engine, size = sync_engine(url), PAGES * PER_PAGE
        with engine.begin() as connection:
            rows = Rows(connection)
            [collaboration] = rows.add(Collaboration, [{"name": "all"}])
            wide = "wide" * 400
            organizations = rows.add(Organization, [{"name": f"{n}", "address1": wide} for n in range(size)])
            users = [{"username": f"{n}", "email": f"{n}", "firstname": wide} for n in range(size)]
            rows.users([{"organization_id": organizations[0], **user} for user in users])
            tasks = [{"collaboration_id": collaboration, "run_id": 1, "description": wide} for _ in range(size)]
            task = rows.add(Task, tasks)[0]
            rows.nodes([{"organization_id": one, "collaboration_id": collaboration} for one in organizations[:100]])
            results = [{"task_id": task, "organization_id": one} for one in organizations[:100]]
            rows.results(results * (size // 100), text=wide)
            root = rows.one(User.__table__.c.id, User.__table__.c.username == "root")
        with inside(url, tmp_path_factory.mktemp("deep")) as services, connect(url) as connection:
            # Else Postgres would know neither how many rows there are, nor that all may see them.
            for statement in ("CHECKPOINT", "VACUUM (FREEZE)", "VACUUM (ANALYZE)"):
                connection.execute(statement)
            yield Deep(services, root, connection, collaboration)


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/organization", "organization"),
        ("/user", "user"),
        ("/task", "task"),
        ("/collaboration/{collaboration}/task", "task"),
        ("/result", "resultcontent"),
    ],
)
def test_a_deep_page_reads_only_the_rows_that_it_shows(many_rows: Deep, path: str, table: str):
    query = f"page={PAGES - 10}&per_page={PER_PAGE}"
    asked_for = f"{path.format(collaboration=many_rows.collaboration)}?{query}"
    answer = many_rows.inside.get(asked_for, many_rows.root)
    assert len(answer.json()) == PER_PAGE
    [_caller, _rights, *of_the_list] = many_rows.inside.statements
    assert sum(many_rows.read_from(table, one) for one in of_the_list) == PER_PAGE
