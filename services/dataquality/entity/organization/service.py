"""What is done with organizations."""

from typing import Any

from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core import audit
from dataquality.core.callers import Caller
from dataquality.entity import access
from dataquality.entity.organization import policy, repository
from dataquality.entity.organization.render import encoded
from dataquality.entity.organization.schemas import OrganizationBody
from dataquality.model import Operation

_KIND = "organization"
_TEXTS = ("name", "address1", "address2", "zipcode", "country", "domain")


async def read(connection: AsyncConnection, caller: Caller, identity: int) -> Any:
    """One organization that the caller may see."""
    row = await repository.find(connection, identity, policy.readable_by(caller), repository.shown_to(caller))
    return access.readable(_KIND, identity, row)


async def require_view(connection: AsyncConnection, caller: Caller, resource: str, identity: int) -> None:
    """Raise NotFound without such an organization, Forbidden unless the caller may see its `resource`s."""
    if not await repository.exists(connection, identity):
        raise access.missing(_KIND, identity)
    access.require(caller, resource, Operation.VIEW, identity)


async def create(session: AsyncSession, caller: Caller, body: OrganizationBody) -> Any:
    """A new organization; texts that are not given are empty."""
    connection = await session.connection()
    values = dict.fromkeys(_TEXTS, "") | _columns(body)
    identity = await repository.add(connection, values)
    if values.get("public_key"):
        await _record_key(session, caller, identity, None)
    return await repository.find(connection, identity, true())


async def change(session: AsyncSession, caller: Caller, identity: int, body: OrganizationBody) -> Any:
    """The organization after the change."""
    connection = await session.connection()
    before = access.found(_KIND, identity, await repository.find_key(connection, identity))
    policy.require_edit(caller, identity, set(body.given()))
    values = _columns(body)
    await repository.change(connection, identity, values)
    if "public_key" in values and values["public_key"] != before.public_key:
        await _record_key(session, caller, identity, before.public_key)
    return await repository.find(connection, identity, true())


def _columns(body: OrganizationBody) -> dict[str, Any]:
    values = body.given()
    if "public_key" in values:
        values["public_key"] = values["public_key"] or None
    return values


async def _record_key(session: AsyncSession, caller: Caller, identity: int, old: bytes | None) -> None:
    await audit.record(session, caller, "public key changed", _KIND, identity, {"old": encoded(old)})
