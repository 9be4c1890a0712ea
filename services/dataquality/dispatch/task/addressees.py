"""The organizations that a task asks: members of the collaboration, with a node that takes the task."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.errors import Refused
from dataquality.dispatch.among import among
from dataquality.dispatch.task.schemas import TaskBody
from dataquality.model import Collaboration, Node, NodeConfig, Organization, User, member

_node = Node.__table__
_user = User.__table__
_USERS, _ORGANIZATIONS = "allowed_users", "allowed_orgs"


async def find(connection: AsyncConnection, body: TaskBody) -> dict[int, int]:
    """The node of each organization that is asked. Raises Refused for those that cannot be asked."""
    asked = {organization.id for organization in body.organizations}
    members = set(await _members(connection, body.collaboration_id))
    if outsiders := asked - members:
        raise Refused(f"These organizations do not belong to the collaboration: {_listed(outsiders)}.")
    nodes = await _nodes(connection, body.collaboration_id)
    if without := asked - nodes.keys():
        raise Refused(f"These organizations have no node in the collaboration: {_listed(without)}.")
    return {organization_id: nodes[organization_id] for organization_id in asked}


async def require_keys(connection: AsyncConnection, collaboration_id: int, asked: Iterable[int]) -> None:
    """Raise Refused where the collaboration is encrypted and an organization that is asked has no public key.

    Nobody could encrypt what is meant for it, and it could never have been meant to travel in the clear.
    """
    statement = (
        select(Organization.id, Organization.name)
        .join(member, member.c.organization_id == Organization.id)
        .join(Collaboration, Collaboration.id == member.c.collaboration_id)
        .where(
            Collaboration.id == collaboration_id,
            Collaboration.encrypted,
            among(connection, Organization.id, sorted(asked)),
            func.coalesce(func.length(Organization.public_key), 0) == 0,
        )
        .order_by(Organization.id)
    )
    if without := (await connection.execute(statement)).all():
        names = ", ".join(f"{row.name or 'without a name'} (id {row.id})" for row in without)
        raise Refused(
            f"The collaboration is encrypted, and these organizations have no public key: {names}. "
            "Let each of them set its key first; a node that starts with encryption does so."
        )


async def is_member(connection: AsyncConnection, organization_id: int, collaboration_id: int) -> bool:
    """True if the organization belongs to the collaboration."""
    return organization_id in await _members(connection, collaboration_id)


async def require_admission(
    connection: AsyncConnection, nodes: dict[int, int], organization_id: int, user_id: int | None
) -> None:
    """Raise Refused when a node said that it takes no task of this user or organization.

    A node that names users or organizations, by id or by name, takes tasks of any of those and of nobody else.
    """
    allowed = await _allowed(connection, list(nodes.values()))
    if not allowed:
        return
    user, organization = await _names(connection, organization_id, user_id)
    closed = [
        asked
        for asked, node_id in nodes.items()
        if node_id in allowed
        and not (allowed[node_id][_USERS] & user or allowed[node_id][_ORGANIZATIONS] & organization)
    ]
    if closed:
        raise Refused(f"The nodes of these organizations take no tasks of this user: {_listed(closed)}.")


async def _members(connection: AsyncConnection, collaboration_id: int) -> Sequence[int]:
    statement = select(member.c.organization_id).where(member.c.collaboration_id == collaboration_id)
    return (await connection.scalars(statement)).all()


async def _nodes(connection: AsyncConnection, collaboration_id: int) -> dict[int, int]:
    statement = select(_node.c.organization_id, _node.c.id).where(_node.c.collaboration_id == collaboration_id)
    return {row.organization_id: row.id for row in await connection.execute(statement)}


async def _allowed(connection: AsyncConnection, node_ids: Sequence[int]) -> dict[int, dict[str, set[str]]]:
    """Per node that restricts who may ask: the names and ids that it allows."""
    statement = select(NodeConfig.node_id, NodeConfig.key, NodeConfig.value).where(
        among(connection, NodeConfig.node_id, node_ids), NodeConfig.key.in_((_USERS, _ORGANIZATIONS))
    )
    allowed: defaultdict[int, dict[str, set[str]]] = defaultdict(lambda: {_USERS: set(), _ORGANIZATIONS: set()})
    for node_id, key, value in await connection.execute(statement):
        allowed[node_id][key].add(value)
    return allowed


async def _names(connection: AsyncConnection, organization_id: int, user_id: int | None) -> tuple[set[str], set[str]]:
    """What the user and the organization may be called in a node's description."""
    users = select(_user.c.id, _user.c.username).where(_user.c.id == user_id)
    organizations = select(Organization.id, Organization.name).where(Organization.id == organization_id)
    return _texts(await connection.execute(users)), _texts(await connection.execute(organizations))


def _texts(rows: Any) -> set[str]:
    return {str(value) for row in rows for value in row if value is not None}


def _listed(identities: Iterable[int]) -> str:
    return ", ".join(str(identity) for identity in sorted(identities))
