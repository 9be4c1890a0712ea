"""SQL of collaborations and of who is in them."""

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller, ContainerCaller
from dataquality.core.query import MAX_ID, equal, like
from dataquality.entity.collaboration.schemas import CollaborationFilters
from dataquality.entity.lists import row_of
from dataquality.entity.relations import collaboration_relations, collaboration_relations_of
from dataquality.model import Collaboration, Organization, member

_COLUMNS = (Collaboration.id, Collaboration.name, Collaboration.encrypted)
shown = cast(Select[Any], select(*_COLUMNS, *collaboration_relations))


def shown_to(caller: Caller) -> Select[Any]:
    """What is shown of a collaboration: to an algorithm, only what belongs to its run."""
    if isinstance(caller, ContainerCaller):
        return cast(Select[Any], select(*_COLUMNS, *collaboration_relations_of(caller.subject)))
    return shown


def with_member(organization_id: int) -> ColumnElement[bool]:
    """Those that this organization is in."""
    own = select(member.c.collaboration_id).where(member.c.organization_id == organization_id)
    return Collaboration.id.in_(own)


def matching(filters: CollaborationFilters) -> list[ColumnElement[bool]]:
    """The query's conditions."""
    conditions = like(Collaboration.name, filters.name) + equal(Collaboration.encrypted, filters.encrypted)
    if filters.organization_id is not None:
        conditions.append(with_member(filters.organization_id))
    return conditions


async def find(
    connection: AsyncConnection, identity: int, readable: ColumnElement[bool], shown: Select[Any] = shown
) -> Any | None:
    """The row with all that is shown of it."""
    return await row_of(connection, shown, Collaboration.id, identity, readable)


async def find_name(connection: AsyncConnection, identity: int) -> str | None:
    """The name; None when there is no such collaboration."""
    if identity > MAX_ID:
        return None
    return await connection.scalar(select(Collaboration.name).where(Collaboration.id == identity))


async def name_is_taken(connection: AsyncConnection, name: str, by_other_than: int | None = None) -> bool:
    """True if another collaboration has this name."""
    statement = select(Collaboration.id).where(
        Collaboration.name == name, Collaboration.id.is_distinct_from(by_other_than)
    )
    return await connection.scalar(statement) is not None


async def add(connection: AsyncConnection, name: str, encrypted: bool) -> int:
    """Insert; the new id."""
    statement = insert(Collaboration).values(name=name, encrypted=encrypted).returning(Collaboration.id)
    return (await connection.execute(statement)).scalar_one()


async def change(connection: AsyncConnection, identity: int, values: dict[str, Any]) -> None:
    """Update the given columns."""
    if values:
        await connection.execute(update(Collaboration).where(Collaboration.id == identity).values(values))


async def remove(connection: AsyncConnection, identity: int) -> bool:
    """Delete it, with its nodes, tasks and results; False when somebody else did."""
    deleted = await connection.execute(delete(Collaboration).where(Collaboration.id == identity))
    return deleted.rowcount > 0


async def is_member(connection: AsyncConnection, identity: int, organization_id: int) -> bool:
    """True if the organization is in the collaboration."""
    return await connection.scalar(_membership(identity, organization_id)) is not None


async def add_members(connection: AsyncConnection, identity: int, organization_ids: Iterable[int]) -> None:
    """Let those of the organizations in that exist and are not in yet."""
    inside = select(member.c.organization_id).where(member.c.collaboration_id == identity)
    new = select(Organization.id, literal(identity)).where(
        Organization.id.in_(set(organization_ids)), Organization.id.not_in(inside)
    )
    await connection.execute(insert(member).from_select(["organization_id", "collaboration_id"], new))


async def keep_members(connection: AsyncConnection, identity: int, organization_ids: Iterable[int]) -> None:
    """Take all other organizations out."""
    others = member.c.organization_id.not_in(set(organization_ids))
    await connection.execute(delete(member).where(member.c.collaboration_id == identity, others))


async def remove_member(connection: AsyncConnection, identity: int, organization_id: int) -> None:
    """Take one organization out, if it is in."""
    one = member.c.organization_id == organization_id
    await connection.execute(delete(member).where(member.c.collaboration_id == identity, one))


def _membership(identity: int, organization_id: int) -> Select[tuple[int]]:
    return select(member.c.organization_id).where(
        member.c.collaboration_id == identity, member.c.organization_id == organization_id
    )
