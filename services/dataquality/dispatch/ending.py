"""Ends what is still open: for a kill, for a task that is deleted, for a collaboration that ends, by the clock.

Each end is one conditional statement, so a result ends once, whoever else works on it. With it go, in the same
transaction, the news, the list of what the nodes are to kill, and a wish for each that is repeated until the node did.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from dataquality.dispatch.among import among
from dataquality.dispatch.events import announce_kill, announce_updates
from dataquality.dispatch.kill.wishes import wish
from dataquality.dispatch.states import Ending
from dataquality.model import Authenticatable, Node, Result, ResultContent, Task, utc_now

_node = Node.__table__
_identity = Authenticatable.__table__


def with_descendants(task_id: int) -> Select[Any]:
    """The ids of the task, its subtasks, their subtasks, and so on."""
    return _with_descendants(select(Task.id).where(Task.id == task_id))


async def end_results(session: AsyncSession, ending: Ending, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """End the open results among these, now, and what only they had asked for; see `_places` for the rows.

    The nodes are told to end the containers, and everybody that the results changed.
    """
    ids = await _end(session, ending, conditions)
    if not ids:
        return []
    if ending.line is not None:
        await _note(session, ids, ending.line)
    ended = await _places(session, ids)
    await wish(session, ended)
    for collaboration_id in sorted({row.collaboration_id for row in ended}):
        here = [row for row in ended if row.collaboration_id == collaboration_id]
        await announce_kill(session, collaboration_id, here)
        await announce_updates(session, collaboration_id, [row.id for row in here])
    return [*ended, *await end_orphans(session, {row.task_id for row in ended})]


async def kill_task(session: AsyncSession, task_id: int) -> Sequence[Any]:
    """End the open results of a task and of all below it, and have the nodes end the containers."""
    return await end_results(session, Ending.KILLED, Result.task_id.in_(with_descendants(task_id)))


async def end_orphans(session: AsyncSession, parent_ids: Iterable[int]) -> Sequence[Any]:
    """End what is open below subtasks of these tasks whose algorithm has ended: nobody waits for it any more."""
    among_parents = among(await session.connection(), Task.parent_id, sorted(parent_ids))
    below = _with_descendants(select(Task.id).where(among_parents, is_orphan()))
    return await end_results(session, Ending.ORPHANED, Result.task_id.in_(below))


def is_orphan() -> ColumnElement[bool]:
    """A condition on `Task`: it is a subtask, and the part of its parent that asked for it has ended.

    An algorithm asks on behalf of its organization, so that organization's part in the parent is the asking one.
    """
    part = aliased(Result)
    asking = (part.task_id == Task.parent_id, part.organization_id == Task.initiator_id)
    return exists().where(*asking, part.finished_at.is_not(None)) & ~exists().where(*asking, part.finished_at.is_(None))


def _with_descendants(roots: Select[Any]) -> Select[Any]:
    tree = roots.cte("tree", recursive=True)
    child = aliased(Task)
    tree = tree.union(select(child.id).join(tree, child.parent_id == tree.c.id))
    return select(tree.c.id)


async def _end(session: AsyncSession, ending: Ending, conditions: Iterable[ColumnElement[bool]]) -> Sequence[int]:
    now = utc_now()
    leads_to = {source: target.value for source, target in ending.leads_to.items()}
    statement = (
        update(Result)
        .where(Result.finished_at.is_(None), *conditions)
        .values(status=case(leads_to, value=Result.status), finished_at=now, received_at=now, updated_at=now)
        .returning(Result.id)
        .execution_options(synchronize_session=False)
    )
    return sorted((await session.scalars(statement)).all())


async def _note(session: AsyncSession, result_ids: Sequence[int], line: str) -> None:
    before = func.coalesce(ResultContent.log + "\n", "")
    mine = among(await session.connection(), ResultContent.result_id, result_ids)
    await session.execute(update(ResultContent).where(mine).values(log=before + line))


async def _places(session: AsyncSession, result_ids: Sequence[int]) -> Sequence[Any]:
    """Where these results are: `id`, `task_id`, `organization_id`, `collaboration_id`, `node_id`, `status` of the node
    and `can_kill`; the last three are None where the organization has no node any more."""
    is_its_node = (_node.c.organization_id == Result.organization_id) & (
        _node.c.collaboration_id == Task.collaboration_id
    )
    columns = (Result.id, Result.task_id, Result.organization_id, Task.collaboration_id)
    node = (_node.c.id.label("node_id"), _identity.c.status, _node.c.can_kill)
    statement = (
        select(*columns, *node)
        .join(Task, Task.id == Result.task_id)
        .outerjoin(_node, is_its_node)
        .outerjoin(_identity, _identity.c.id == _node.c.id)
        .where(among(await session.connection(), Result.id, result_ids))
    )
    return (await session.execute(statement.order_by(Result.id))).all()
