"""SQL of organizations."""

from typing import Any, cast

from sqlalchemy import ColumnElement, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller, ContainerCaller
from dataquality.core.query import MAX_ID, equal, like
from dataquality.entity.lists import row_of
from dataquality.entity.organization.schemas import OrganizationFilters
from dataquality.entity.relations import organization_relations, organization_relations_of
from dataquality.model import Organization, member

_COLUMNS = (
    Organization.id,
    Organization.name,
    Organization.domain,
    Organization.address1,
    Organization.address2,
    Organization.zipcode,
    Organization.country,
    Organization.public_key,
)
shown = cast(Select[Any], select(*_COLUMNS, *organization_relations))


def shown_to(caller: Caller) -> Select[Any]:
    """What is shown of an organization: to an algorithm, only what belongs to its run."""
    if isinstance(caller, ContainerCaller):
        return cast(Select[Any], select(*_COLUMNS, *organization_relations_of(caller.subject)))
    return shown


def in_collaboration(collaboration_id: int) -> ColumnElement[bool]:
    """Members of that collaboration."""
    members = select(member.c.organization_id).where(member.c.collaboration_id == collaboration_id)
    return Organization.id.in_(members)


def matching(filters: OrganizationFilters) -> list[ColumnElement[bool]]:
    """The query's conditions."""
    conditions = like(Organization.name, filters.name) + equal(Organization.country, filters.country)
    if filters.collaboration_id is not None:
        conditions.append(in_collaboration(filters.collaboration_id))
    return conditions


async def find(
    connection: AsyncConnection, identity: int, readable: ColumnElement[bool], shown: Select[Any] = shown
) -> Any | None:
    """The row with all that is shown of it."""
    return await row_of(connection, shown, Organization.id, identity, readable)


async def exists(connection: AsyncConnection, identity: int) -> bool:
    """True if there is such an organization."""
    if identity > MAX_ID:
        return False
    return await connection.scalar(select(Organization.id).where(Organization.id == identity)) is not None


async def find_name(connection: AsyncConnection, identity: int) -> str | None:
    """The name, which may be missing."""
    return await connection.scalar(select(Organization.name).where(Organization.id == identity))


async def find_key(connection: AsyncConnection, identity: int) -> Any | None:
    """The row's public key, locked until the end of the transaction: two keys at once must both reach the audit."""
    if identity > MAX_ID:
        return None
    statement = select(Organization.public_key).where(Organization.id == identity).with_for_update()
    return (await connection.execute(statement)).one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> int:
    """Insert; the new id."""
    return (await connection.execute(insert(Organization).values(values).returning(Organization.id))).scalar_one()


async def change(connection: AsyncConnection, identity: int, values: dict[str, Any]) -> None:
    """Update the given columns."""
    if values:
        await connection.execute(update(Organization).where(Organization.id == identity).values(values))
