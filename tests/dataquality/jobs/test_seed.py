"""What is in every database, held against the contract's lists (written out by hand here)."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from dataquality.core.passwords import verify_password
from dataquality.jobs.seed import Seeded, root_password_is_default, seed
from dataquality.model import (
    Authenticatable,
    Base,
    Operation,
    Organization,
    Role,
    Rule,
    Scope,
    ServerState,
    User,
    utc_now,
)
from dataquality.model import permission as given
from dataquality.model import role_rule_association as contains
from support.databases import sync_engine

SCOPES = {"own": "OWN", "org": "ORGANIZATION", "col": "COLLABORATION", "glo": "GLOBAL"}
RULES = """
node view glo, node view org, node edit glo, node edit org
node create glo, node create org, node delete glo, node delete org
collaboration view glo, collaboration view org, collaboration edit glo, collaboration create glo
collaboration delete glo, organization view glo, organization view org, organization view col
organization edit glo, organization edit org, organization create glo, task view glo
task view org, task create glo, task create org, task delete glo
task delete org, result view glo, result view org, user view glo
user view org, user create glo, user create org, user edit glo
user edit org, user edit own, user delete glo, user delete org
user delete own, role view glo, role view org, role create glo
role create org, role edit glo, role edit org, role delete glo
role delete org, port view glo, port view org, event view org
event view col, event view glo, event create org, event create col
event create glo
"""
NODE = """
node view org, node edit org, collaboration view org, organization view org, organization view col
organization edit org, task view org, result view org, port view org
"""
CONTAINER = """
node view org, collaboration view org, organization view org, organization view col, task view org
result view org, port view org
"""
VIEWER = """
user edit own, user delete own, user view org, organization view org, organization view col
collaboration view org, role view org, node view org, task view org, result view org, port view org
event view org
"""
RESEARCHER = VIEWER + "task create org, task delete org"
ORGANIZATION_ADMIN = f"""{RESEARCHER}
user create org, user edit org, user delete org, organization edit org, role create org, role edit org
role delete org, node edit org, node create org, event create org
"""
COLLABORATION_ADMIN = f"""{ORGANIZATION_ADMIN}
user view glo, user create glo, user edit glo, organization view glo, organization edit glo
collaboration view glo, collaboration edit glo, role view glo, node create glo, node view glo, node delete glo
event view col, event create col
"""
ROLES = {
    "Root": (RULES, 53),
    "node": (NODE, 9),
    "container": (CONTAINER, 7),
    "Viewer": (VIEWER, 12),
    "Researcher": (RESEARCHER, 14),
    "Organization Admin": (ORGANIZATION_ADMIN, 24),
    "Collaboration Admin": (COLLABORATION_ADMIN, 37),
}


def listed(text: str) -> list[str]:
    return [rule.strip() for line in text.strip().splitlines() for rule in line.split(",") if rule.strip()]


def shown(name: str, operation: Operation, scope: Scope) -> str:
    [short] = [key for key, value in SCOPES.items() if value == scope.name]
    return f"{name} {operation.name.lower()} {short}"


def rules_of(connection: Connection, role: str) -> list[str]:
    query = (
        select(Rule.name, Rule.operation, Rule.scope)
        .join(contains, contains.c.rule_id == Rule.id)
        .join(Role, Role.id == contains.c.role_id)
        .where(Role.name == role, Role.organization_id.is_(None))
    )
    return sorted(shown(*row) for row in connection.execute(query))


def everything(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    skipped = {"runcounter"} if connection.dialect.name != "sqlite" else set[str]()
    tables = [table for table in Base.metadata.sorted_tables if table.name not in skipped]
    return {t.name: sorted((tuple(row) for row in connection.execute(t.select())), key=repr) for t in tables}


def again(connection: Connection) -> Seeded:
    return seed(connection, hash_password=lambda text: f"hash of {text}")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with sync_engine(database_url).connect() as connection:
        yield connection


def test_the_53_rules_are_there_in_the_order_of_the_contract(connection: Connection) -> None:
    rows = connection.execute(select(Rule.id, Rule.name, Rule.operation, Rule.scope).order_by(Rule.id))
    found = [(key, shown(name, operation, scope)) for key, name, operation, scope in rows]
    assert found == list(enumerate(listed(RULES), start=1))
    assert len(found) == 53


def test_every_rule_and_role_says_what_it_is_for(connection: Connection) -> None:
    texts = [*connection.scalars(select(Rule.description)), *connection.scalars(select(Role.description))]
    assert all(texts)
    assert len(set(texts)) == 60


def test_there_are_seven_roles_of_no_organization(connection: Connection) -> None:
    names = connection.scalars(select(Role.name).where(Role.organization_id.is_(None))).all()
    assert sorted(names) == sorted(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_built_in_role_holds_what_the_contract_says(role: str, connection: Connection) -> None:
    expected, count = ROLES[role]
    found = rules_of(connection, role)
    assert found == sorted(listed(expected))
    assert len(found) == count


def test_the_first_user_is_root_with_the_password_root(connection: Connection) -> None:
    query = select(User.__table__, Organization.name).join(Organization, User.organization_id == Organization.id)
    root = connection.execute(query).one()
    assert (root.username, root.email, root.name) == ("root", "root@domain.ext", "root")
    assert verify_password(root.password, "root")
    roles = select(Role.name).join(given, given.c.role_id == Role.id).where(given.c.user_id == root.id)
    assert connection.scalars(roles).all() == ["Root"]


def test_seeding_again_changes_nothing(connection: Connection) -> None:
    before = everything(connection)
    assert again(connection) == Seeded(rules=0, roles=0, root_user=False)
    assert everything(connection) == before


def test_it_is_known_whether_root_still_has_the_first_password(connection: Connection) -> None:
    assert root_password_is_default(connection)
    connection.execute(update(ServerState).values(value="false"))
    assert not root_password_is_default(connection)


def test_a_root_user_that_an_administrator_deleted_does_not_come_back(connection: Connection) -> None:
    tables = Base.metadata.tables
    connection.execute(insert(tables["authenticatable"]).values(id=99, type="user", created_at=utc_now()))
    connection.execute(insert(tables["user"]).values(id=99, username="admin", password="x", organization_id=1))
    connection.execute(delete(User).where(User.username == "root"))
    assert not again(connection).root_user
    assert connection.scalars(select(User.username)).all() == ["admin"]


def test_where_no_user_is_left_root_comes_back_so_that_somebody_can_sign_in(connection: Connection) -> None:
    connection.execute(delete(User).where(User.username == "root"))
    connection.execute(delete(ServerState))
    assert again(connection).root_user
    assert root_password_is_default(connection)
    assert connection.scalars(select(Organization.name)).all() == ["root"]


def test_a_root_user_with_another_password_is_left_alone(connection: Connection) -> None:
    connection.execute(update(User).values(password="changed"))
    connection.execute(delete(ServerState))
    again(connection)
    assert connection.scalars(select(User.password)).all() == ["changed"]
    assert not root_password_is_default(connection)


def test_a_deleted_built_in_role_comes_back_whole(connection: Connection) -> None:
    connection.execute(delete(Role).where(Role.name == "Viewer"))
    assert again(connection) == Seeded(rules=0, roles=1, root_user=False)
    assert rules_of(connection, "Viewer") == sorted(listed(VIEWER))


def test_a_role_of_an_organization_does_not_pass_for_the_built_in_one(connection: Connection) -> None:
    organization = connection.execute(select(Organization.id)).scalar_one()
    connection.execute(update(Role).where(Role.name == "Viewer").values(organization_id=organization))
    assert again(connection).roles == 1


def test_a_rule_that_was_taken_from_a_role_stays_away(connection: Connection) -> None:
    connection.execute(delete(contains).where(contains.c.rule_id == 1))
    again(connection)
    assert "node view glo" not in rules_of(connection, "Root")


def test_the_rules_of_a_newer_version_go_to_the_roles_that_grow(connection: Connection) -> None:
    """As if the database came from a version that knew neither ports nor events."""
    connection.execute(delete(Rule).where(Rule.name.in_(["port", "event"])))
    assert again(connection) == Seeded(rules=8, roles=0, root_user=False)
    assert rules_of(connection, "Root") == sorted(listed(RULES))
    assert rules_of(connection, "node") == sorted(listed(NODE))
    assert rules_of(connection, "container") == sorted(listed(CONTAINER))
    assert len(rules_of(connection, "Viewer")) == 10


def test_what_was_cached_of_anyones_rights_is_void_when_roles_grow(connection: Connection) -> None:
    connection.execute(delete(Rule).where(Rule.name == "event"))
    before = connection.execute(select(Authenticatable.stamp)).scalar_one()
    again(connection)
    assert connection.execute(select(Authenticatable.stamp)).scalar_one() != before
