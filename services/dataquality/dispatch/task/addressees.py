"""The organizations that a task asks: members of the collaboration, with a node that takes the task."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Integer, bindparam, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.errors import Refused
from dataquality.dispatch.among import among
from dataquality.dispatch.task.schemas import TaskBody
from dataquality.model import Collaboration, Node, NodeConfig, Organization, User, member

_node = Node.__table__
_user = User.__table__
_organization = Organization.__table__
_namesake = Organization.__table__.alias()
_USERS, _ORGANIZATIONS = "allowed_users", "allowed_orgs"
_IDENTITY = bindparam("identity", type_=Integer)
_USER_NAME = select(_user.c.id, _user.c.username.label("name")).where(_user.c.id == _IDENTITY)
_is_unique = ~exists().where(_namesake.c.name == _organization.c.name, _namesake.c.id != _organization.c.id)
_ORGANIZATION_NAME = select(
    _organization.c.id, case((_is_unique, _organization.c.name), else_=None).label("name")
).where(_organization.c.id == _IDENTITY)


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

    A node that names users or organizations takes tasks of any of those and of nobody else. Digits name an id and
    never a name, which people choose themselves; a name counts only where nobody else has the same.
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
    users = await connection.execute(_USER_NAME, {"identity": user_id})
    organizations = await connection.execute(_ORGANIZATION_NAME, {"identity": organization_id})
    return _words_for(users.one_or_none()), _words_for(organizations.one_or_none())


def _words_for(row: Any | None) -> set[str]:
    """The id, and the name unless it is digits, and so could be somebody's id."""
    if row is None:
        return set()
    is_name = row.name and not row.name.strip().isdigit()
    return {str(row.id), row.name} if is_name else {str(row.id)}


def _listed(identities: Iterable[int]) -> str:
    return ", ".join(str(identity) for identity in sorted(identities))
