"""What the objects of the shell hold and can do (contract, data-model.md sections 1 to 3)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import NoResultFound

from dataquality.jobs.shell.errors import ShellError
from dataquality.model import Operation, ResultStatus, Scope
from support.databases import Databases, sync_engine
from support.shell import Shell, shell_after

_PEOPLE = """
org = db.Organization(name="IKNL")
org.save()
user = db.User(username="stan", email="stan@iknl.nl", password="Secret-1-word", organization=org)
user.save()
"""
_WORK = """
org = db.Organization(name="IKNL")
other = db.Organization(name="Other")
collab = db.Collaboration(name="col", encrypted=False, organizations=[org, other])
collab.save()
node = db.Node(name="n", organization=org, collaboration=collab, api_key="a key of my own")
node.save()
task = db.Task(name="t", image="i", collaboration=collab, initiator=org)
task.save()
first = db.Result(task=task, organization=org, input={"a": [1]})
second = db.Result(task=task, organization=other, input="text")
first.save()
second.save()
"""


@pytest.fixture
def people(databases: Databases) -> Iterator[Shell]:
    """An organization with a user."""
    with shell_after(databases, "people_for_records", _PEOPLE) as shell:
        yield shell


@pytest.fixture
def work(databases: Databases) -> Iterator[Shell]:
    """A collaboration of two organizations, one of them with a node, and a task for both."""
    with shell_after(databases, "work_for_records", _WORK) as shell:
        yield shell


def value(shell: Shell, expression: str) -> object:
    return eval(expression, shell.names)


def test_get_lists_all_by_id_or_finds_one_or_none(shell: Shell) -> None:
    assert [rule.id for rule in shell.names["db"].Rule.get()] == sorted(shell.rows("rule", "id"))
    assert value(shell, "db.Rule.get(1).id") == 1
    assert value(shell, "db.Rule.get(123456)") is None


def test_names_are_looked_up_and_the_first_of_several_is_found(people: Shell) -> None:
    people.run('db.Organization(name="IKNL").save()')
    assert value(people, 'db.Organization.get_by_name("IKNL").id == org.id')
    assert value(people, 'db.Organization.get_by_name("nobody")') is None
    assert value(people, 'db.Role.get_by_name("Root").name') == "Root"
    assert value(people, 'db.Role.get_by_name("nobody")') is None


def test_a_collaboration_is_found_by_its_name(work: Shell) -> None:
    assert value(work, 'db.Collaboration.find_by_name("col").id == collab.id')
    assert value(work, 'db.Collaboration.find_by_name("nobody")') is None
    assert value(work, '[db.Collaboration.name_exists(name) for name in ("col", "nobody")]') == [True, False]


def test_a_collaboration_tells_its_organizations_tasks_and_nodes(work: Shell) -> None:
    assert value(work, "sorted(collab.get_organization_ids()) == [org.id, other.id]")
    assert value(work, "collab.get_task_ids() == [task.id]")
    assert value(work, "[one.id for one in collab.get_nodes_from_organizations([org.id, other.id])] == [node.id]")
    assert value(work, "collab.get_node_from_organization(org).id == node.id")
    assert value(work, "collab.get_node_from_organization(other)") is None


def test_a_user_is_found_by_name_and_by_address(people: Shell) -> None:
    for found in ('get_by_username("stan")', 'get_by_email("stan@iknl.nl")'):
        assert value(people, f"db.User.{found}.id == user.id")
    assert value(people, '[db.User.username_exists(name) for name in ("stan", "nobody")]') == [True, False]
    assert value(people, '[db.User.exists("email", at) for at in ("stan@iknl.nl", "x")]') == [True, False]
    assert value(people, "len(db.User.get_user_list())") == 2


@pytest.mark.parametrize("missing", ['get_by_username("nobody")', 'get_by_email("nobody")'])
def test_a_user_who_is_not_there_is_said_in_one_line(people: Shell, missing: str) -> None:
    with pytest.raises(NoResultFound, match=r"^There is no user with the (username|email) 'nobody'\.$"):
        people.run(f"db.User.{missing}")


def test_a_username_that_looks_like_another_is_refused(people: Shell) -> None:
    for code in ('user.username = "stan "', 'db.User(username="stan ", password="Secret-1-word", organization=org)'):
        with pytest.raises(ShellError, match=r"^The username must not have a blank at its end\. Remove it\.$"):
            people.run(code)
    assert value(people, "user.username") == "stan"


def test_a_password_is_held_to_the_rules_however_it_is_set(people: Shell) -> None:
    assert value(people, 'user.set_password("short")') == "The password must have at least 8 characters."
    for code, said in (
        ('user.password = "short"', "have at least 8 characters"),
        ('db.User(organization=org, password="A-Stan-1-word", username="stan")', "not contain the username"),
    ):
        with pytest.raises(ShellError, match=rf"^The password must {said}\.$"):
            people.run(code)
    assert value(people, 'user.check_password("Secret-1-word")')
    assert value(people, 'user.set_password("Other-2-word")') is None
    assert value(people, '[user.check_password(one) for one in ("Other-2-word", "Secret-1-word")]') == [True, False]
    people.run('user.password = "Third-3-word"; user.save()')
    assert value(people, 'db.User.get_by_username("stan").check_password("Third-3-word")')


def test_a_blocked_user_waits_for_the_rest_of_the_time(people: Shell) -> None:
    assert value(people, "user.is_blocked(5, 15)") == (False, None)
    people.names["then"] = datetime.now(UTC) - timedelta(minutes=10)
    people.run("user.failed_login_attempts = 5; user.last_failed_login_at = then; user.save()")
    assert value(people, "user.is_blocked(5, 15)") == (True, 5)
    assert value(people, "user.is_blocked(6, 15)") == (False, None)
    assert value(people, "user.is_blocked(5, 9)") == (False, None)
    assert value(people, "user.last_login_attempt == then")


def test_a_user_can_what_a_rule_or_a_role_says_and_no_more(people: Shell) -> None:
    people.run('rule = db.Rule.get_by_("node", Scope.GLOBAL, Operation.EDIT)')
    people.run('inner = db.Rule.get_by_("user", Scope.OWN, Operation.EDIT)')
    people.run('user.rules.append(rule); user.roles.append(db.Role(name="mine", rules=[inner])); user.save()')
    assert value(people, 'user.can("node", Scope.GLOBAL, Operation.EDIT)')
    assert value(people, 'user.can("user", Scope.OWN, Operation.EDIT)')
    assert not value(people, 'user.can("node", Scope.ORGANIZATION, Operation.EDIT)')


@pytest.mark.parametrize("scope", [Scope.GLOBAL, "GLOBAL", "glo"])
def test_a_rule_is_found_by_its_three_parts(shell: Shell, scope: object) -> None:
    rule = shell.names["db"].Rule.get_by_("node", scope, Operation.CREATE)
    assert (rule.name, rule.scope, rule.operation) == ("node", Scope.GLOBAL, Operation.CREATE)
    assert shell.names["db"].Rule.get_by_("nothing", scope, Operation.CREATE) is None


def test_the_classes_themselves_stand_for_any_and_find_the_rule_that_allows_least(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = shell.names["db"].Rule.get_by_("user", Scope, Operation)
    assert (rule.scope, rule.operation) == (Scope.ORGANIZATION, Operation.VIEW)
    assert f"the one that allows least: {rule!r}" in capsys.readouterr().err


def test_a_node_is_found_by_its_key_and_by_its_place(work: Shell) -> None:
    assert value(work, 'db.Node.get_by_api_key("a key of my own").id == node.id')
    assert value(work, 'db.Node.get_by_api_key("another")') is None
    assert value(work, '[node.check_key(key) for key in ("a key of my own", "another")]') == [True, False]
    assert value(work, "db.Node.exists(org.id, collab.id).id == node.id")
    assert value(work, "db.Node.exists(other.id, collab.id)") is None


def test_the_nodes_that_are_connected_are_told_as_they_are_now(work: Shell) -> None:
    assert value(work, "db.Node.get_online_nodes()") == []
    work.run('node.status = "online"; node.save()')
    assert value(work, "db.Node.get_online_nodes() == [node]")


def test_a_random_key_needs_no_slow_hash_beside_the_other(work: Shell) -> None:
    work.run('node.api_key = "123e4567-e89b-42d3-a456-426614174001"; node.save()')
    assert work.rows("node", "api_key_hash") == [None]
    assert value(work, 'db.Node.get_by_api_key("123e4567-e89b-42d3-a456-426614174001").id == node.id')
    assert value(work, 'db.Node.get_by_api_key("a key of my own")') is None


def test_run_ids_are_given_out_once(work: Shell) -> None:
    assert value(work, "len({db.Task.next_run_id() for _ in range(5)} | {task.run_id})") == 6


def test_a_task_without_a_run_id_begins_a_run_or_goes_on_with_its_parents(work: Shell) -> None:
    work.run("same = dict(image='i', collaboration=collab); new = db.Task(**same); new.save()")
    work.run("child = db.Task(parent=new, **same); child.save()")
    work.run("grandchild = db.Task(parent_id=child.id, image='i', collaboration_id=collab.id); grandchild.save()")
    assert value(work, "new.run_id != task.run_id")
    assert value(work, "grandchild.run_id == child.run_id == new.run_id")


def test_a_task_is_as_its_results_are(work: Shell) -> None:
    def state() -> object:
        return value(work, "(task.status, task.complete, task.finished_at)")

    assert state() == ("pending", False, None)
    work.run('second.status = "active"; second.save()')
    assert state() == ("active", False, None)
    for name, hour in (("first", 8), ("second", 9)):
        work.names["at"] = datetime(2026, 1, 1, hour, tzinfo=UTC)
        work.run(f"{name}.status, {name}.finished_at = 'completed', at; {name}.save()")
    assert state() == ("completed", True, datetime(2026, 1, 1, 9, tzinfo=UTC))
    work.run('first.status = "crashed"; first.save()')
    assert state() == ("failed", True, datetime(2026, 1, 1, 9, tzinfo=UTC))
    assert value(work, "db.Task(collaboration=collab).status") == "unknown"


def test_a_result_knows_its_node_and_a_task_the_results_for_a_node(work: Shell) -> None:
    assert value(work, "(first.node.id == node.id, second.node)") == (True, None)
    assert value(work, "(first.node_id == node.id, second.node_id)") == (True, None)
    assert value(work, "task.results_for_node(node) == [first]")
    assert value(work, "org.get_result_ids() == [(first.id,)]")


def test_what_is_asked_and_answered_is_stored_apart_as_text(work: Shell) -> None:
    work.run('first.result = "answer"; first.log = "line"; first.save()')
    stored = work.rows("resultcontent", "result_id", "input", "result", "log")
    assert stored == [(1, '{"a": [1]}', "answer", "line"), (2, "text", None, None)]
    assert value(work, "(first.input, first.result, first.log)") == ('{"a": [1]}', "answer", "line")


def test_a_result_that_was_asked_nothing_can_still_be_answered(work: Shell) -> None:
    work.run("third = db.Result(task_id=task.id, organization_id=org.id); third.save()")
    assert work.rows("resultcontent", "result_id", "input")[-1] == (3, None)


def test_times_without_a_zone_are_of_this_process_and_others_keep_their_moment(work: Shell) -> None:
    local = datetime(2026, 7, 1, 12, 0)
    work.names |= {"local": local, "zoned": datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))}
    work.run("first.assigned_at, first.started_at = local, zoned; first.save(); found = db.Result.get(first.id)")
    assert value(work, "found.assigned_at") == local.astimezone(UTC)
    assert value(work, "found.started_at") == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_public_key_goes_in_and_comes_out_in_base64(people: Shell) -> None:
    assert value(people, "org.public_key") == ""
    people.run('org.public_key = "a2V5Cg=="; org.save()')
    assert people.rows("organization", "public_key")[-1] == b"key\n"
    assert value(people, 'db.Organization.get_by_name("IKNL").public_key') == "a2V5Cg=="
    with pytest.raises(ShellError, match="public_key takes the key in base64"):
        people.run('org.public_key = "no key"')


def test_words_of_an_enumeration_are_taken_by_value_and_by_name(work: Shell) -> None:
    for word in ("crashed", "CRASHED", ResultStatus.CRASHED):
        work.names["word"] = word
        work.run("first.status = word")
        assert value(work, "first.status") is ResultStatus.CRASHED
    with pytest.raises(ShellError, match=r"status takes one of: pending, .*; not 'broken'"):
        work.run('first.status = "broken"')


def test_relations_can_be_read_at_any_time_and_from_both_ends(people: Shell) -> None:
    people.run('role = db.Role(name="r", rules=[db.Rule.get(1)], organization=org); role.save()')
    people.run("role.users.append(user); role.save()")
    assert value(people, "[one.name for one in user.roles]") == ["r"]
    assert value(people, "[one.name for one in db.User.get_by_username('stan').roles[0].organization.roles]") == ["r"]
    assert people.rows("permission", "user_id", "role_id")[-1] == (people.names["user"].id, people.names["role"].id)


def test_what_others_stored_meanwhile_is_seen(people: Shell) -> None:
    with sync_engine(people.url).begin() as connection:
        connection.execute(text("UPDATE organization SET domain = 'new.nl' WHERE name = 'IKNL'"))
    assert value(people, "db.Organization.get(org.id).domain") == "new.nl"
    assert value(people, "org.domain") == "new.nl"


def test_looking_again_does_not_undo_what_is_not_saved_yet(people: Shell) -> None:
    people.run('org.domain = "mine.nl"')
    people.run("db.Organization.get(); db.Organization.get(org.id); db.Organization.get_by_name('IKNL')")
    assert value(people, "org.domain") == "mine.nl"


def test_help_prints_what_there_is_and_returns_nothing(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert value(shell, "db.Organization.help()") is None
    said = capsys.readouterr().out
    assert said.startswith("Organization (table organization)\n")
    for word in ("zipcode", "public_key", "collaborations: list of Collaboration", "get_by_name(name): ", "save(): "):
        assert word in said
    assert value(shell, "db.help()") is None
    assert "db.Result" in capsys.readouterr().out


def test_what_is_shown_of_an_object_holds_no_secret(work: Shell) -> None:
    work.run(
        'user = db.User(username="stan", password="Secret-1-word", organization=org, otp_secret="ABC"); user.save()'
    )
    assert value(work, "repr(user)") == f"<User {work.names['user'].id}: 'stan', organization_id: 2>"
    assert value(work, "repr(org)") == "<Organization 2: 'IKNL', domain: None, country: None>"
    shown = str(value(work, "repr([user, node, first, task, collab, db.Rule.get(1), db.Role.get(1)])"))
    for secret in (*work.rows("user", "password"), *work.rows("node", "api_key_id", "api_key_hash")[0], "ABC"):
        assert secret not in shown


def test_a_name_that_is_not_known_is_refused_with_the_nearest(people: Shell) -> None:
    with pytest.raises(AttributeError, match=r"User has no 'fristname'\. Did you mean 'firstname'\?"):
        people.run('user.fristname = "x"')
    with pytest.raises(AttributeError, match="Organization has no 'nmae'"):
        people.run('db.Organization(nmae="x")')
