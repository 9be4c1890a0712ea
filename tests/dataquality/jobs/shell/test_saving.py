"""Storing and deleting in the shell: all of it or nothing, and one line that says why not."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from dataquality.jobs.shell.errors import ShellError
from support.databases import Databases, sync_engine
from support.shell import Shell, shell_after

_ARRANGED = """
org = db.Organization(name="IKNL")
collab = db.Collaboration(name="col", encrypted=False, organizations=[org])
collab.save()
node = db.Node(name="n", organization=org, collaboration=collab, api_key="key")
user = db.User(username="stan", password="Secret-1-word", organization=org)
task = db.Task(image="i", collaboration=collab, initiator=org, init_user=user)
for one in (node, user, task): one.save()
result = db.Result(task=task, organization=org, input={})
child = db.Task(image="i", collaboration=collab, parent=task)
for one in (result, child): one.save()
role = db.Role(name="r", organization=org, rules=[db.Rule.get(1)])
role.save()
"""


@pytest.fixture
def arranged(databases: Databases) -> Iterator[Shell]:
    """One of each kind, in relation with the others."""
    with shell_after(databases, "arranged_for_saving", _ARRANGED) as shell:
        yield shell


def refusal(shell: Shell, code: str) -> str:
    """What the shell says: one line."""
    with pytest.raises(ShellError) as refused:
        shell.run(code)
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('db.User(username="root", password="Secret-1-word", organization=org)',
         "there is another user with the same username 'root'; it must be the only one."),
        ('db.User(username="new", organization=org)', "a user needs a value for password."),
        ('db.User(username="new", password="Secret-1-word")', "a user needs a value for organization."),
        ('db.Collaboration(name="col")', "there is another collaboration with the same name 'col'"),
        ('db.Node(organization=org, collaboration=collab, api_key="other")',
         "there is another node with the same organization_id"),
        ('db.Node(organization=db.Organization(name="x"), collaboration=collab, api_key="key")',
         "there is another node with the same api_key_id; it must be the only one."),
        ('db.User(username="new", password="Secret-1-word", organization_id=12345)',
         "refers to something that is not there"),
        ('db.AlgorithmPort(port=0, result=result)', "port"),
        ('db.Rule(name="node", scope=Scope.GLOBAL, operation=Operation.VIEW)',
         "there is another rule with the same name"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_said_in_one_line_and_nothing_of_it_is(arranged: Shell, code: str, said: str) -> None:
    tables = ("organization", "authenticatable", "collaboration", "algorithmport", "rule", "audit")
    before = {table: len(arranged.rows(table, "id")) for table in tables}
    message = refusal(arranged, f"bad = {code}; bad.save()")
    assert message.startswith("Nothing was stored: ")
    assert said in message
    assert "ecret-1" not in message
    assert not re.search(r"\b[0-9a-f]{64}\b|argon2", message)
    assert {table: len(arranged.rows(table, "id")) for table in tables} == before


def test_the_session_goes_on_after_a_failure_and_the_object_can_be_mended(arranged: Shell) -> None:
    refusal(arranged, 'new = db.User(username="root", password="Secret-1-word", organization=org); new.save()')
    arranged.run('org.domain = "iknl.nl"; org.save()')
    arranged.run('new.username = "other"; new.save()')
    assert "other" in arranged.rows("user", "username")
    assert arranged.rows("organization", "domain")[-1] == "iknl.nl"


def test_a_change_that_fails_is_taken_back(arranged: Shell) -> None:
    refusal(arranged, 'user.username = "root"; user.firstname = "x"; user.save()')
    assert (arranged.names["user"].username, arranged.names["user"].firstname) == ("stan", None)


def test_a_secret_must_be_a_text(arranged: Shell) -> None:
    assert refusal(arranged, "user.password = None") == "password takes a text that is not empty."
    assert refusal(arranged, "node.api_key = 5") == "api_key takes a text that is not empty."


@pytest.mark.parametrize(
    ("name", "left"),
    [
        (
            "org",
            "1 in .users, 1 in .nodes, 1 in .roles, 1 in .collaborations, 1 in .results, 1 in .created_tasks",
        ),
        ("collab", "1 in .nodes, 2 in .tasks"),
        ("task", "1 in .children, 1 in .results"),
    ],
)
def test_what_others_depend_on_is_not_deleted(arranged: Shell, name: str, left: str) -> None:
    said = refusal(arranged, f"{name}.delete()")
    assert said == f"Nothing was deleted: {arranged.names[name]!r} still has {left}. Delete those first."
    arranged.run(f"assert type({name}).get({name}.id) is {name}")


def test_all_can_be_deleted_in_order(arranged: Shell) -> None:
    for name in ("child", "result", "task", "node", "user", "role", "collab", "org"):
        arranged.run(f"{name}.delete()")
    for table in ("task", "result", "node", "collaboration"):
        assert arranged.rows(table, "id") == []
    for table, column in (("resultcontent", "result_id"), ("member", "organization_id"), ("permission", "role_id")):
        assert len(arranged.rows(table, column)) == (1 if table == "permission" else 0)
    assert arranged.rows("user", "username") == ["root"]
    assert arranged.rows("authenticatable", "type") == ["user"]
    assert arranged.rows("organization", "name") == ["root"]


def test_a_deleted_user_leaves_the_tasks_behind(arranged: Shell) -> None:
    arranged.run("user.delete()")
    assert arranged.rows("task", "id", "init_user_id") == [(1, None), (2, None)]


def test_what_is_gone_or_was_never_there_cannot_be_deleted(arranged: Shell) -> None:
    arranged.run("user.delete()")
    assert "was not saved yet, or is deleted already" in refusal(arranged, "user.delete()")
    assert "was not saved yet" in refusal(arranged, "db.Organization(name='x').delete()")


def test_what_somebody_else_deleted_is_said_and_shown_as_gone(arranged: Shell) -> None:
    with sync_engine(arranged.url).begin() as connection:
        connection.execute(text("DELETE FROM authenticatable WHERE type = 'node'"))
    arranged.session.forget_clean()
    assert repr(arranged.names["node"]) == "<Node: no longer there>"
    assert arranged.names["db"].Node.get() == []


def test_a_shell_that_is_left_open_holds_no_transaction(shell: Shell) -> None:
    shell.run('org = db.Organization.get(1); org.users; org.domain = "mine"')
    # On SQLite a single writer would wait for the other's lock, on Postgres for the row's.
    with sync_engine(shell.url).begin() as connection:
        connection.execute(text("SELECT 1") if "sqlite" in shell.url else text("SET LOCAL lock_timeout = 100"))
        connection.execute(text("UPDATE organization SET country = 'theirs'"))
    shell.run("org.save()")
    assert shell.rows("organization", "domain", "country") == [("mine", "theirs")]
