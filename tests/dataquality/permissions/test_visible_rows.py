"""Which rows a caller may see is said by one function per resource; nothing in the services goes round it."""

from pathlib import Path

import pytest

import dataquality
from support.visible_rows import gone_round, sources_below

_SERVICES = ("auth", "entity", "dispatch")
# By reason: whatever else reads rows asks `readable_by`, or it does not get in here.
ALLOWED = {
    "Nobody is signed in yet, or the rights themselves are looked up.": {
        "auth/token/repository.py::user_by_name",
        "auth/recovery/repository.py::_user",
        "auth/token/repository.py::user_by_id",
        "auth/token/repository.py::node_by_key_id",
        "auth/token/repository.py::role_names",
        "auth/token/repository.py::count_failure",
        "auth/rights/source.py::read_rights",
    },
    "The contract decides about one object in another way than about lists; the matrix holds it to that.": {
        "auth/user/repository.py::find",
        "auth/role/repository.py::find",
        "auth/role/repository.py::find_locked",
        "auth/token/repository.py::task_for_container",
    },
    "A name, a place or a key is needed to decide or to record, before or after the right was asked for.": {
        "entity/collaboration/repository.py::find_name",
        "entity/organization/repository.py::find_name",
        "entity/organization/repository.py::find_key",
        "entity/node/repository.py::find_place",
        "auth/notices.py::tell",
        "dispatch/task/addressees.py::_names",
        "dispatch/task/addressees.py::require_keys",
        "dispatch/shape.py::_in_the_clear",
        "dispatch/task/service.py::_origin",
        "dispatch/sockets/repository.py::name_of",
    },
    "The caller has just made or changed this very row.": {
        "entity/collaboration/service.py::create",
        "entity/collaboration/service.py::change",
        "entity/organization/service.py::create",
        "entity/organization/service.py::change",
        "entity/node/service.py::create",
        "entity/node/service.py::change",
        "dispatch/task/service.py::_insert_task",
        "dispatch/port/service.py::open_port",
    },
    "Whoever may see the owner sees what belongs to it; the owner was asked for with `readable_by`.": {
        "entity/collaboration/endpoints.py::_nodes",
        "dispatch/result/texts.py::_first_of",
        "dispatch/result/repository.py::ports",
        "dispatch/result/repository.py::results_of_task",
        "dispatch/task/repository.py::summaries",
    },
    "The clock or a kill ends it; whoever did was asked for the right to, and only ids and places are told to nodes.": {
        "dispatch/ending.py::_places",
        "dispatch/result/service.py::_why_not",
        "dispatch/sockets/repository.py::result_of_node",
        "dispatch/kill/service.py::_find_node",
        "dispatch/sockets/leases.py::expire",
    },
    "Columns alone: the rows are those that `readable_by` says.": {
        "entity/organization/repository.py::shown_to",
        "entity/collaboration/repository.py::shown_to",
    },
    "It asks whether the database answers.": {"dispatch/health.py::database_problem"},
}


def test_no_service_goes_round_the_function_that_says_which_rows_are_visible() -> None:
    package = Path(dataquality.__file__).parent
    found = gone_round(sources_below(package, _SERVICES))
    allowed = set[str]().union(*ALLOWED.values())
    assert found - allowed == set(), "read these rows with `readable_by(caller)`, or say in ALLOWED why not"
    assert allowed - found == set(), "these are not needed in ALLOWED any more"


@pytest.mark.parametrize(
    "source",
    [
        "async def emails(connection):\n    return await connection.execute(select(User.id, User.email))",
        "async def all_of_it(session):\n    return await session.scalars(select(Task))",
        "_user = User.__table__\nasync def names(c):\n    return await c.execute(select(_user.c.id, _user.c.username))",
        "_SHOWN = (Node.id, Node.name)\nasync def nodes(c):\n    return await c.execute(select(*_SHOWN))",
        "async def nodes(c):\n    shown = (Node.id, Node.name)\n    return await c.execute(select(*shown))",
        "SHOWN = select(Node.id, Node.name)\nasync def nodes(c):\n    return await c.execute(SHOWN.where(Node.id > 1))",
        "def _all():\n    return select(Role.id, Role.name)\nasync def roles(c):\n    return await c.execute(_all())",
        "async def nodes(c):\n    return await find(c, 1, true())",
        "async def nodes(c):\n    return await c.execute(text('SELECT * FROM node'))",
        "async def gone(c):\n    return await c.execute(delete(Task).returning(Task.id, Task.name))",
        "async def more(c):\n    return await c.execute(select(Result.id).add_columns(ResultContent.log))",
        "class Reader:\n    async def read(self, c):\n        return await c.execute(select(Organization.name))",
    ],
)
def test_rows_that_are_read_past_it_are_found(source: str) -> None:
    assert len(gone_round({"bad.py": source})) == 1


def test_a_statement_of_another_file_is_known_there_too() -> None:
    sources = {
        "repository.py": "shown = select(Node.id, Node.name)",
        "endpoints.py": "async def nodes(c):\n    return await c.execute(repository.shown)",
    }
    assert gone_round(sources) == {"endpoints.py::nodes"}


@pytest.mark.parametrize(
    "source",
    [
        "def listing(caller):\n    return select(User.id, User.email).where(readable_by(caller))",
        "def find(c, readable):\n    return select(User.id, User.email, readable)",
        "def exists(c, node):\n    return select(Node.id).where(Node.name == node)",
        "def readable_by(caller):\n    return true()",
        "def _all():\n    return select(Role.name)\ndef listing(caller):\n    return _all().where(readable_by(caller))",
    ],
)
def test_rows_that_are_read_through_it_are_not(source: str) -> None:
    assert gone_round({"good.py": source}) == set()
