"""What follows from a change in the shell, as it does from the same change through the API, in one transaction with it.

Rights that change raise stamps, so that they follow at once; tasks and results are announced to the nodes; all of it
is in the audit trail, as the operator's.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Executable, delete, event, insert, select, true, update
from sqlalchemy.orm import Session, UOWTransaction

from dataquality.core.first_password import ROOT_USERNAME, ended_by
from dataquality.core.outbox import event_row
from dataquality.core.rooms import own_room, room_of
from dataquality.core.stamps import touched_by_roles, voided
from dataquality.jobs.shell import trail
from dataquality.jobs.shell.changes import Change, changes_in
from dataquality.jobs.shell.connection import ShellSession
from dataquality.jobs.shell.identity import Node, User
from dataquality.jobs.shell.permission import Role, Rule
from dataquality.jobs.shell.tables import table
from dataquality.jobs.shell.task import Result, Task
from dataquality.model import Authenticatable, KillWish, RefreshSession, next_run_id_statement, utc_now
from dataquality.model.rules import CONTAINER_ROLE, NODE_ROLE

_RIGHTS = {"roles", "rules", "organization_id", "username"}
_CREDENTIALS = {"password", "otp_secret"}
_PLACE = {"organization_id", "collaboration_id", "api_key"}
_BUILT_IN = (NODE_ROLE, CONTAINER_ROLE)
_PAUSE = timedelta(minutes=1)
"""After which a node is told again to end a container."""


def install() -> None:
    """Have it happen in every session of the shell."""
    for name, listener in (("before_flush", _before), ("after_flush", _after), ("after_flush_postexec", _refresh)):
        if not event.contains(ShellSession, name, listener):
            event.listen(ShellSession, name, listener)


def _before(session: Session, *_: object) -> None:
    for one in list(session.new):
        if isinstance(one, Task):
            _complete_task(session, one)
        if isinstance(one, Result):
            one.require_content()
    for one in session.deleted:
        _let_go(session, one)


def _after(session: Session, _: UOWTransaction) -> None:
    changes = changes_in(session)
    _raise_stamps(session, changes)
    _announce(session, changes)
    trail.record(session, changes)


def _refresh(session: Session, _: UOWTransaction) -> None:
    """What was found for them in the database is read when it is asked for."""
    for one in session:
        if isinstance(one, Result) and one.node_id is None:
            session.expire(one, ["node_id"])


def _complete_task(session: Session, task: Task) -> None:
    """Without a run id it begins a run of its own, or goes on with its parent's."""
    if task.has_run_id:
        return
    parent = task.parent or (session.get(Task, task.parent_id) if task.parent_id is not None else None)
    statement = next_run_id_statement(session.get_bind().dialect.name)
    task.run_id = parent.run_id if parent is not None else session.execute(statement).scalar_one()


def _let_go(session: Session, one: object) -> None:
    """While it is still there to be asked who is touched."""
    match one:
        case Role():
            session.execute(_quietly(voided(touched_by_roles([one.id]))))
        case Rule():
            session.execute(_quietly(voided(true())))
        case Result():
            _kill(session, [row for row in _places(session, [one.id]) if row.finished_at is None])
        case _:
            pass


# Rights


def _raise_stamps(session: Session, changes: Sequence[Change]) -> None:
    for change in changes:
        match change.record:
            case User() as user:
                _follow_user(session, user, change)
            case Node() as node if change.kind == "changed" and change.touches(_PLACE):
                _void(session, [node.id])
            case Role() as role if change.kind == "changed":
                _follow_role(session, role)
            case Rule() if change.kind == "changed" and change.columns:
                session.execute(_quietly(voided(true())))
            case _:
                pass


def _follow_user(session: Session, user: User, change: Change) -> None:
    if change.kind == "deleted" and user.username == ROOT_USERNAME:
        session.execute(ended_by(user.id))
    if change.kind != "changed":
        return
    if change.touches({"password"}):
        session.execute(ended_by(user.id))
    if change.touches(_CREDENTIALS):
        _end_sessions(session, user.id)
    if change.touches(_CREDENTIALS | _RIGHTS):
        _void(session, [user.id])


def _follow_role(session: Session, role: Role) -> None:
    session.execute(_quietly(voided(touched_by_roles([role.id]))))
    if role.organization_id is None and role.name not in _BUILT_IN:
        # It may have been one of these until now.
        session.execute(_quietly(voided(Authenticatable.type == "node")))


def _void(session: Session, identities: Iterable[int]) -> None:
    session.execute(_quietly(voided(Authenticatable.id.in_(set(identities)))))


def _end_sessions(session: Session, user_id: int) -> None:
    """Whoever signed in with the old password must sign in again: refresh and access tokens end with the session."""
    mine = (RefreshSession.authenticatable_id == user_id, RefreshSession.revoked_at.is_(None))
    session.execute(_quietly(update(RefreshSession).where(*mine).values(revoked_at=utc_now())))


# Tasks and results


def _announce(session: Session, changes: Sequence[Change]) -> None:
    new_tasks = [one.record for one in changes if one.kind == "created" and isinstance(one.record, Task)]
    for task in new_tasks:
        news = {
            "task_id": task.id,
            "run_id": task.run_id,
            "collaboration_id": task.collaboration_id,
            "init_org_id": task.initiator_id,
        }
        _emit(session, "task_created", news, room_of(task.collaboration_id), task.collaboration_id)
    new_results = [one.record.id for one in changes if one.kind == "created" and isinstance(one.record, Result)]
    _offer(session, new_results, {task.id for task in new_tasks})
    changed = {one.result_id for one in changes if one.kind == "changed" and one.result_id is not None}
    for row in _places(session, changed.difference(new_results)):
        news = {"result_id": row.id}
        _emit(session, "status_update", news, room_of(row.collaboration_id), row.collaboration_id)
    ended = {one.record.id for one in changes if isinstance(one.record, Result) and one.touches({"finished_at"})}
    # One that is open again must not be killed for having ended before.
    session.execute(_quietly(delete(KillWish).where(KillWish.result_id.in_(ended))))
    _kill(session, [row for row in _places(session, ended.difference(new_results)) if row.finished_at is not None])


def _offer(session: Session, result_ids: Sequence[int], new_tasks: set[int]) -> None:
    """Tell the nodes that are to work: all of the collaboration of a new task, as the API does; else only those."""
    _find_nodes(session, result_ids)
    told: set[tuple[int, str]] = set()
    for row in _places(session, result_ids):
        room = room_of(row.collaboration_id) if row.task_id in new_tasks else own_room(row.node_id or 0)
        if row.finished_at is None and row.node_id is not None and (row.task_id, room) not in told:
            told.add((row.task_id, room))
            _emit(session, "new_task", row.task_id, room, row.collaboration_id)


def _kill(session: Session, rows: Sequence[Any]) -> None:
    """Have the nodes end the containers of results that ended here; told again as long as they did not."""
    for row in rows:
        kill = {"task_id": row.task_id, "result_id": row.id, "organization_id": row.organization_id}
        message = {"collaboration_id": row.collaboration_id, "kill_list": [kill]}
        _emit(session, "kill_containers", message, room_of(row.collaboration_id), row.collaboration_id)
        if row.node_id is not None:
            place = {"node_id": row.node_id, "collaboration_id": row.collaboration_id, "next_at": utc_now() + _PAUSE}
            session.execute(insert(KillWish).values(**kill, **place))


def _find_nodes(session: Session, result_ids: Sequence[int]) -> None:
    """The node of a new result is the one that its organization has in the task's collaboration."""
    results, tasks, nodes = table("result"), table("task"), table("node")
    node = (
        select(nodes.c.id)
        .join(tasks, tasks.c.collaboration_id == nodes.c.collaboration_id)
        .where(tasks.c.id == results.c.task_id, nodes.c.organization_id == results.c.organization_id)
        .correlate(results)
    )
    without = (results.c.id.in_(result_ids), results.c.node_id.is_(None))
    session.execute(update(results).where(*without).values(node_id=node.scalar_subquery()))


def _places(session: Session, result_ids: Iterable[int]) -> Sequence[Any]:
    results, tasks = table("result").c, table("task").c
    statement = (
        select(
            results.id,
            results.task_id,
            results.organization_id,
            results.node_id,
            results.finished_at,
            tasks.collaboration_id,
        )
        .join(table("task"), tasks.id == results.task_id)
        .where(results.id.in_(list(result_ids)))
        .order_by(results.id)
    )
    return session.execute(statement).all()


def _emit(session: Session, name: str, argument: Any, room: str, collaboration_id: int) -> None:
    session.execute(event_row(name, [argument], room, collaboration_id))


def _quietly(statement: Executable) -> Executable:
    """Without looking for objects that it touches: the shell's are of other classes."""
    return statement.execution_options(synchronize_session=False)
