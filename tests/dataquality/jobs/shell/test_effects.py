"""What follows from a change in the shell: stamps, events, sessions, and the audit trail."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from support.databases import Databases, sync_engine
from support.shell import Shell, shell_after

_ARRANGED = """
org, other = db.Organization(name="IKNL"), db.Organization(name="Other")
collab = db.Collaboration(name="col", encrypted=False, organizations=[org, other])
collab.save()
node = db.Node(name="n", organization=org, collaboration=collab, api_key="key")
rule = db.Rule.get_by_("task", Scope.GLOBAL, Operation.VIEW)
role = db.Role(name="r", organization=org, rules=[rule])
holder = db.User(username="holder", password="Secret-1-word", organization=org, roles=[role])
stranger = db.User(username="stranger", password="Secret-1-word", organization=org)
for one in (node, holder, stranger): one.save()
spare = db.Rule.get_by_("task", Scope.GLOBAL, Operation.DELETE)
"""
_WORK = """
import datetime
task = db.Task(name="t", image="i", collaboration=collab, initiator=org)
task.save()
result = db.Result(task=task, organization=org, input={})
result.save()
"""


@pytest.fixture
def arranged(databases: Databases) -> Iterator[Shell]:
    """A collaboration with a node, and two users, one of whom holds a role."""
    with shell_after(databases, "arranged_for_effects", _ARRANGED) as shell:
        yield shell


def touched(shell: Shell, code: str) -> set[str]:
    """Whose stamps the code changes: names of users and nodes."""
    names = dict(shell.rows("user", "id", "username")) | dict(shell.rows("node", "id", "name"))
    before = shell.stamps()
    shell.run(code)
    after = shell.stamps()
    return {names[identity] for identity, stamp in before.items() if after.get(identity) != stamp}


@pytest.mark.parametrize(
    ("code", "whose"),
    [
        ("stranger.rules.append(spare); stranger.save()", {"stranger"}),
        ("stranger.roles = [role]; stranger.save()", {"stranger"}),
        ("role.users.append(stranger); role.save()", {"stranger"}),
        ("spare.users.append(stranger); spare.save()", {"stranger"}),
        ("holder.roles.remove(role); holder.save()", {"holder"}),
        ("role.rules.append(spare); role.save()", {"holder"}),
        ("role.rules.clear(); role.save()", {"holder"}),
        ("spare.roles.append(role); spare.save()", {"holder"}),
        ("role.delete()", {"holder"}),
        ("stranger.organization = other; stranger.save()", {"stranger"}),
        ("stranger.organization_id = other.id; stranger.save()", {"stranger"}),
        ("spare.delete()", {"root", "holder", "stranger", "n"}),
        ("spare.scope = Scope.COLLABORATION; spare.name = 'x'; spare.save()", {"root", "holder", "stranger", "n"}),
        ("built_in = db.Role.get_by_name('node'); built_in.rules.append(spare); built_in.save()", {"n"}),
        ("built_in = db.Role.get_by_name('container'); built_in.delete()", {"n"}),
        ("node.api_key = 'other'; node.save()", {"n"}),
        ("node.organization = other; node.save()", {"n"}),
        ("holder.firstname = 'x'; node.name = 'x'; org.name = 'x'; holder.save()", set[str]()),
        ("holder.save(); role.save(); node.save()", set[str]()),
    ],
)  # fmt: skip
def test_the_stamps_of_those_whose_rights_change_are_raised_and_no_others(
    arranged: Shell, code: str, whose: set[str]
) -> None:
    assert touched(arranged, code) == whose


def test_a_new_password_ends_the_sessions_of_its_user_and_of_nobody_else(arranged: Shell) -> None:
    holder, stranger = (arranged.names[name].id for name in ("holder", "stranger"))
    with sync_engine(arranged.url).begin() as connection:
        for owner in (holder, stranger):
            connection.execute(
                text(
                    "INSERT INTO refreshsession (jti, authenticatable_id, family, issued_at)"
                    " VALUES (:jti, :owner, 'f', CURRENT_TIMESTAMP)"
                ),
                {"jti": str(owner), "owner": owner},
            )
    arranged.run('holder.password = "Other-2-word"; holder.save()')
    revoked = {owner for owner, at in arranged.rows("refreshsession", "authenticatable_id", "revoked_at") if at}
    assert revoked == {holder}


@pytest.mark.parametrize(
    ("code", "is_first"),
    [
        ('root.password = "Other-2-word"', False),
        ('root.firstname = "x"', True),
        ('holder.password = "Other-2-word"', True),
    ],
)
def test_the_first_password_is_forgotten_once_root_has_another(arranged: Shell, code: str, is_first: bool) -> None:
    arranged.run(f'root = db.User.get_by_username("root"); {code}; root.save()')
    assert arranged.rows("serverstate", "key") == (["root_password_is_default"] if is_first else [])


def test_the_first_password_is_forgotten_with_root(arranged: Shell) -> None:
    arranged.run('db.User.get_by_username("root").delete()')
    assert arranged.rows("serverstate", "key") == []


def test_a_task_is_announced_and_its_node_told_once_there_is_something_to_do(arranged: Shell) -> None:
    arranged.run(_WORK)
    room, node = f"collaboration_{arranged.names['collab'].id}", arranged.names["node"].id
    run_id = arranged.rows("task", "run_id")[0]
    created = {"task_id": 1, "run_id": run_id, "collaboration_id": 1, "init_org_id": arranged.names["org"].id}
    assert arranged.events() == [("task_created", room, [created]), ("new_task", f"node_{node}", [1])]


def test_a_task_that_is_saved_with_its_results_is_announced_as_the_api_does(arranged: Shell) -> None:
    arranged.run("db.Node(name='m', organization=other, collaboration=collab, api_key='other').save()")
    arranged.run("parts = [db.Result(organization=one, input={}) for one in (org, other)]")
    arranged.run("db.Task(image='i', collaboration=collab, results=parts).save()")
    told = [(name, room) for name, room, _ in arranged.events()]
    assert told == [("task_created", "collaboration_1"), ("new_task", "collaboration_1")]
    assert arranged.rows("result", "node_id") == sorted(arranged.rows("node", "id"))


@pytest.mark.parametrize("result", ["organization=other", "organization=org, finished_at=task.created_at"])
def test_nobody_is_told_of_what_no_node_can_work_on(arranged: Shell, result: str) -> None:
    arranged.run(f"task = db.Task(image='i', collaboration=collab); task.save(); db.Result(task=task, {result}).save()")
    assert [name for name, _, _ in arranged.events()] == ["task_created"]


@pytest.mark.parametrize("change", ['result.status = "active"', 'result.log = "line"'])
def test_a_changed_result_is_told_to_those_who_wait_for_it(arranged: Shell, change: str) -> None:
    arranged.run(_WORK)
    arranged.run(f"{change}; result.save()")
    assert arranged.events()[2:] == [("status_update", "collaboration_1", [{"result_id": 1}])]


@pytest.mark.parametrize(
    "ending",
    ["result.delete()", "result.status = 'unknown error'; result.finished_at = task.created_at; result.save()"],
)
def test_the_node_of_a_result_that_ends_here_ends_its_container_and_is_told_again_until_it_did(
    arranged: Shell, ending: str
) -> None:
    arranged.run(_WORK)
    arranged.run(ending)
    org, node = arranged.names["org"].id, arranged.names["node"].id
    message = {"collaboration_id": 1, "kill_list": [{"task_id": 1, "result_id": 1, "organization_id": org}]}
    assert arranged.events()[-1] == ("kill_containers", "collaboration_1", [message])
    assert arranged.rows("killwish", "result_id", "node_id", "organization_id", "told") == [(1, node, org, 0)]


def test_a_result_that_is_opened_again_is_no_longer_to_be_killed(arranged: Shell) -> None:
    arranged.run(_WORK)
    arranged.run("result.finished_at = task.created_at; result.save(); result.finished_at = None; result.save()")
    assert arranged.rows("killwish", "result_id") == []
    arranged.run("for _ in range(2): result.finished_at = datetime.datetime.now(); result.save()")
    assert arranged.rows("killwish", "result_id") == [1]


def test_a_result_that_has_ended_is_deleted_without_a_word(arranged: Shell) -> None:
    arranged.run("task = db.Task(image='i', collaboration=collab); task.save()")
    arranged.run("result = db.Result(task=task, organization=org, finished_at=task.created_at); result.save()")
    arranged.run("result.delete()")
    assert [name for name, _, _ in arranged.events()] == ["task_created"]


def test_what_cannot_be_stored_tells_nobody_and_changes_no_stamp(arranged: Shell) -> None:
    before = arranged.stamps()
    with pytest.raises(Exception, match="Nothing was stored"):
        arranged.run(
            "holder.roles = []; db.Task(image='i', collaboration=collab); holder.username = 'root'; holder.save()"
        )
    assert arranged.stamps() == before
    assert arranged.events() == []


def test_each_change_is_in_the_trail_as_the_operators(arranged: Shell) -> None:
    count = len(arranged.trail())
    names = arranged.names
    arranged.run('holder.password = "Another-1-word"; holder.rules.append(spare); holder.save()')
    arranged.run("collab.organizations.remove(other); collab.save(); stranger.delete()")
    assert arranged.trail()[count:] == [
        ("user_changed", names["holder"].id,
         {"through": "shell", "changed": ["password"], "rules": {"added": [names["spare"].id], "removed": []}}),
        ("collaboration_changed", names["collab"].id,
         {"through": "shell", "changed": [], "organizations": {"added": [], "removed": [names["other"].id]}}),
        ("user_deleted", names["stranger"].id,
         {"through": "shell", "what": f"<User {names['stranger'].id}: 'stranger', organization_id: 2>"}),
    ]  # fmt: skip
    assert set(arranged.rows("audit", "actor_type")) == {"operator"}
    said = str(arranged.trail())
    for secret in (*arranged.rows("user", "password"), *arranged.rows("node", "api_key_id"), "Another-1-word"):
        assert secret not in said


def test_a_task_and_its_answer_are_in_the_trail(arranged: Shell) -> None:
    count = len(arranged.trail())
    arranged.run(_WORK)
    arranged.run(
        'result.result = "42"; result.status = "completed"; result.finished_at = task.created_at; result.save()'
    )
    assert [(action, subject) for action, subject, _ in arranged.trail()[count:]] == [
        ("task_created", 1), ("result_created", 1), ("result_changed", 1), ("result_changed", 1),
    ]  # fmt: skip
    assert "42" not in str(arranged.trail()[count:])


def test_a_replaced_public_key_stays_known(arranged: Shell) -> None:
    arranged.run('org.public_key = "b2xk"; org.save(); org.public_key = "bmV3"; org.save()')
    old = [detail["old"] for action, _, detail in arranged.trail() if action == "public key changed"]
    assert old == ["", "b2xk"]
