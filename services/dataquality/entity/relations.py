"""What organizations, collaborations and nodes link to, as one value per row and relation."""

from collections.abc import Iterable

from sqlalchemy import FromClause, select

from dataquality.core.aggregates import ids_of, json_list, json_pair, newest_of
from dataquality.model import Collaboration, Node, NodeConfig, Organization, Result, Role, Task, User, member

organizations: FromClause = Organization.__table__
collaborations: FromClause = Collaboration.__table__
nodes: FromClause = Node.__table__
_users: FromClause = User.__table__
_roles: FromClause = Role.__table__
_results: FromClause = Result.__table__
_tasks: FromClause = Task.__table__
_config: FromClause = NodeConfig.__table__


organization_relations = (
    ids_of(member.c.collaboration_id, member.c.organization_id == organizations.c.id).label("collaborations"),
    ids_of(nodes.c.id, nodes.c.organization_id == organizations.c.id).label("nodes"),
    ids_of(_users.c.id, _users.c.organization_id == organizations.c.id).label("users"),
    ids_of(_roles.c.id, _roles.c.organization_id == organizations.c.id).label("roles"),
    newest_of(_results.c.id, _results.c.organization_id == organizations.c.id, organizations).label("results"),
)
collaboration_relations = (
    ids_of(member.c.organization_id, member.c.collaboration_id == collaborations.c.id).label("organizations"),
    ids_of(nodes.c.id, nodes.c.collaboration_id == collaborations.c.id).label("nodes"),
    newest_of(_tasks.c.id, _tasks.c.collaboration_id == collaborations.c.id, collaborations).label("tasks"),
)
node_config = (
    select(json_list(json_pair(_config.c.id, json_pair(_config.c.key, _config.c.value))))
    .where(_config.c.node_id == nodes.c.id)
    .scalar_subquery()
    .label("config")
)


def config_pairs(config: Iterable[tuple[int, tuple[str, str]]] | None) -> list[dict[str, str]]:
    """What a node told about itself, in the order in which it did."""
    return [{"key": key, "value": value} for _, (key, value) in sorted(config or ())]
