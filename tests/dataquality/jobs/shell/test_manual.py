"""Every example of the operator's manual, as it is written there (`data/manual.md` holds them all, word for word).

All but its passwords: the shell refuses those, as docs/differences.md says.
"""

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from dataquality.core.passwords import verify_password
from dataquality.jobs.shell.errors import ShellError
from support.databases import Databases
from support.shell import Shell, shell_on

_EXAMPLES = re.findall(
    r"^```(?:python|bash)\n(.*?)^```$", (Path(__file__).parent / "data" / "manual.md").read_text(), re.S | re.M
)

_WEAK = {"super-secret": "Super-secret-1", "something-new": "Something-new-1"}

# What the manual takes for granted: a user of that name, and that nobody is called root any more. Names of users are
# unique, and a new database has a root.
_BEFORE = """
first = db.User.get_by_username("root")
first.username = "first"
first.save()
db.User(username="some-existing-username", password="Secret-1-word", organization=first.organization).save()
"""


@pytest.fixture(scope="module", params=["sqlite_files", "postgres_server"])
def done(request: pytest.FixtureRequest) -> Iterator[Shell]:
    """All examples, one after the other, as a reader would try them; once, for tests that only look."""
    databases: Databases = request.getfixturevalue(request.param)
    with databases.migrated_database() as url, shell_on(url) as shell:
        shell.run(_BEFORE)
        with redirect_stdout(StringIO()) as said:
            for example in _EXAMPLES:
                shell.run(_with_better_passwords(example))
        shell.names["said"] = said.getvalue()
        yield shell


def _with_better_passwords(example: str) -> str:
    for weak, better in _WEAK.items():
        example = example.replace(weak, better)
    return example


@pytest.mark.parametrize("weak", _WEAK)
def test_a_password_of_the_manual_is_refused(done: Shell, weak: str) -> None:
    [example] = [one for one in _EXAMPLES if weak in one]
    with pytest.raises(ShellError, match=r"^The password must hold a digit\.$"):
        done.run(example)


def test_there_are_as_many_examples_as_in_the_manual() -> None:
    assert len(_EXAMPLES) == 13


def test_the_organizations_are_stored(done: Shell) -> None:
    stored = done.rows("organization", "name", "domain", "zipcode", "country")
    assert stored.count(("IKNL", "iknl.nl", "5612HZ", "Netherlands")) == 2
    # The manual makes two of the same name; the first is found.
    assert done.names["iknl"].id == done.names["organizations"][-1].id == done.names["organization"].id


def test_what_an_organization_has_to_do_with_is_read_from_it(done: Shell) -> None:
    for name in ("collaborations", "users", "tasks", "results", "nodes"):
        assert done.names[name] == []
    done.run('again = db.Organization.get_by_name("IKNL")')
    again = done.names["again"]
    assert [one.name for one in again.collaborations] == ["collaboration-name"]
    assert [one.username for one in again.users] == ["root"]
    assert [one.name for one in again.created_tasks] == ["some-name", "some-name"]
    assert [one.task_id for one in again.results] == [1]
    assert [one.name for one in again.nodes] == ["IKNL Node - Collaboration collaboration-name"]


def test_the_rule_is_in_the_role_and_the_users_own(done: Shell) -> None:
    rule, role = done.names["rule"], done.names["role"]
    assert rule.name == "node"
    assert (role.id, rule.id) in done.rows("role_rule_association", "role_id", "rule_id")
    assert [one.id for one in done.names["db"].User.get_by_username("some-existing-username").rules] == [rule.id]


def test_the_user_has_the_role_and_a_password_that_is_hashed(done: Shell) -> None:
    made = done.names["new_user"]
    assert (3, made.id) in done.rows("permission", "role_id", "user_id")
    [stored] = [hashed for name, hashed in done.rows("user", "username", "password") if name == "root"]
    assert stored.startswith("$argon2id$")
    assert verify_password(stored, _WEAK["super-secret"])


def test_the_changed_user_is_stored(done: Shell) -> None:
    [(_, firstname, hashed)] = [
        row for row in done.rows("user", "username", "firstname", "password") if row[0] == "some-existing-username"
    ]
    assert firstname == "Brandnew"
    assert verify_password(hashed, _WEAK["something-new"])


def test_the_node_is_found_by_the_key_that_was_printed_and_the_key_is_not_stored(done: Shell) -> None:
    key = done.names["api_key"]
    assert key in done.names["said"]
    [(key_id, key_hash)] = done.rows("node", "api_key_id", "api_key_hash")
    assert key not in key_id
    # A UUID of this kind is made of the time: it needs a slow hash beside the other.
    assert verify_password(key_hash, key)
    assert done.names["db"].Node.get_by_api_key(key).id == done.names["node"].id


def test_the_task_has_an_open_result_for_each_organization_with_its_input(done: Shell) -> None:
    asked = sorted(organization.id for organization in done.names["collaboration"].organizations)
    assert done.rows("result", "task_id", "organization_id", "status") == [(1, one, "pending") for one in asked]
    assert done.rows("resultcontent", "result_id", "input") == [(1, "{}"), (2, "{}")]


def test_the_child_shares_the_run_of_its_parent(done: Shell) -> None:
    run_id = done.names["run_id"]
    assert done.rows("task", "id", "run_id", "parent_id") == [(1, run_id, None), (2, run_id, 1)]
