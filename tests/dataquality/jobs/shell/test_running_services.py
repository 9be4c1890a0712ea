"""Changes in the shell beside running services: rights follow at the next call, and tasks reach the nodes."""

from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO

import pytest

from support.arrange import Arrangement
from support.collaborations import World, new_world
from support.services import Services, unique
from support.shell import shell_on
from support.sockets import opened


@pytest.fixture
def world(services: Services) -> World:
    """A collaboration of two organizations, each with a node."""
    return new_world(services)


def run_in_shell(services: Services, code: str) -> str:
    """What the code prints."""
    pepper = (services.folder / "secrets" / "api_key_pepper").read_text()
    with shell_on(services.database_url, pepper) as shell, redirect_stdout(StringIO()) as said:
        shell.run(code)
    return said.getvalue().strip()


def test_what_is_given_and_taken_in_the_shell_counts_from_the_next_call(services: Services) -> None:
    there = Arrangement(services)
    user = there.user(there.organization())
    api = there.signed_in(user)

    def statuses() -> list[int]:
        return [api.get(path).status_code for path in ("/user", "/node", "/task")]

    before = statuses()
    given = """
for name in ("user", "node", "task"):
    user.rules.append(db.Rule.get_by_(name, Scope.ORGANIZATION, Operation.VIEW))
user.save()
"""
    run_in_shell(services, f"user = db.User.get({user})\n{given}")
    with_rules = statuses()
    run_in_shell(services, f"user = db.User.get({user})\nuser.rules.clear()\nuser.save()")
    assert (before, with_rules, statuses()) == ([401] * 3, [200] * 3, [401] * 3)


def test_a_rule_in_a_role_counts_for_all_who_hold_it_from_the_next_call(services: Services) -> None:
    there = Arrangement(services)
    role = there.global_role("some role")
    api = there.signed_in(there.user(there.organization(), roles=[role]))
    before = api.get("/task").status_code
    rule = 'db.Rule.get_by_("task", Scope.GLOBAL, Operation.VIEW)'
    run_in_shell(services, f"role = db.Role.get({role})\nrole.rules.append({rule})\nrole.save()")
    with_rule = api.get("/task").status_code
    run_in_shell(services, f"db.Role.get({role}).delete()")
    assert (before, with_rule, api.get("/task").status_code) == (401, 200, 401)


def test_a_user_of_the_shell_signs_in_with_the_password_that_was_assigned(services: Services) -> None:
    name = unique("user")
    values = f'username="{name}", password="Secret-1-word", organization=db.Organization.get(1)'
    run_in_shell(services, f"db.User({values}).save()")
    assert services.login(name, "Secret-1-word").get("/rule").status_code == 200


def test_a_node_of_the_shell_signs_in_with_its_key_until_it_gets_another(services: Services, world: World) -> None:
    made = f"""
org = db.Organization(name="late")
collab = db.Collaboration.get({world.id})
collab.organizations.append(org)
collab.save()
node = db.Node(name="late", organization=org, collaboration=collab, api_key="late-key-{world.id}")
node.save()
print(node.id)
"""
    node = run_in_shell(services, made)
    api = services.login_node(f"late-key-{world.id}")
    assert api.get(f"/node/{node}").status_code == 200
    run_in_shell(services, f"node = db.Node.get({node})\nnode.api_key = 'another-{world.id}'\nnode.save()")
    assert services.anyone.post("/token/node", json={"api_key": f"late-key-{world.id}"}).status_code == 401
    assert services.login_node(f"another-{world.id}").get(f"/node/{node}").status_code == 200


async def test_a_task_of_the_shell_reaches_its_node_which_finishes_it(services: Services, world: World) -> None:
    site, other = world.sites
    code = f"""
import datetime
collab, org = db.Collaboration.get({world.id}), db.Organization.get({site.id})
task = db.Task(name="by hand", image="image", collaboration=collab, run_id=db.Task.next_run_id(), initiator=org)
task.save()
result = db.Result(input={{"method": "count"}}, organization=org, task=task, assigned_at=datetime.datetime.now())
result.save()
print(task.id)
"""
    async with opened(services, site.api.token) as node, opened(services, other.api.token) as neighbour:
        task = int(run_in_shell(services, code))
        await node.hears("new_task", task)
        [result] = site.open_results(task_id=task)
        assert (result["input"], result["status"]) == ('{"method": "count"}', "pending")
        now = datetime.now(UTC).isoformat()
        for answer in (
            {"started_at": now, "status": "active"},
            {"finished_at": now, "status": "completed", "result": "NDI="},
        ):
            told = site.api.patch(f"/result/{result['id']}", json=answer)
            assert told.status_code == 200, told.text
        await neighbour.hears("status_update", {"result_id": result["id"]})
        assert neighbour.arguments("new_task") == []
    said = run_in_shell(services, f"task = db.Task.get({task})\nprint(task.status, task.results[0].result)")
    assert said == "completed NDI="
