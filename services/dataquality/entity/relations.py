"""What organizations, collaborations and nodes link to, as one value per row and relation."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, null, select

from dataquality.core.aggregates import ids_of, json_list, json_pair, newest_of
from dataquality.core.tokens import ContainerSubject
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


def organization_relations_of(algorithm: ContainerSubject) -> tuple[ColumnElement[Any], ...]:
    """What of an organization's relations belongs to the run of an algorithm, which sees no ids of other work."""
    here = member.c.collaboration_id == algorithm.collaboration_id
    of_results = (_results.c.organization_id == organizations.c.id) & _results.c.task_id.in_(_tasks_of(algorithm))
    own_node = nodes.c.id == algorithm.node_id
    return (
        ids_of(member.c.collaboration_id, (member.c.organization_id == organizations.c.id) & here).label(
            "collaborations"
        ),
        ids_of(nodes.c.id, (nodes.c.organization_id == organizations.c.id) & own_node).label("nodes"),
        null().label("users"),
        null().label("roles"),
        newest_of(_results.c.id, of_results, organizations).label("results"),
    )


def collaboration_relations_of(algorithm: ContainerSubject) -> tuple[ColumnElement[Any], ...]:
    """The same for its collaboration."""
    own_node = (nodes.c.collaboration_id == collaborations.c.id) & (nodes.c.id == algorithm.node_id)
    of_run = (_tasks.c.collaboration_id == collaborations.c.id) & _tasks.c.id.in_(_tasks_of(algorithm))
    return (
        ids_of(member.c.organization_id, member.c.collaboration_id == collaborations.c.id).label("organizations"),
        ids_of(nodes.c.id, own_node).label("nodes"),
        newest_of(_tasks.c.id, of_run, collaborations).label("tasks"),
    )


def _tasks_of(algorithm: ContainerSubject) -> Select[Any]:
    every, own = _tasks.alias(), _tasks.alias()
    run = select(own.c.run_id).where(own.c.id == algorithm.task_id).scalar_subquery()
    return select(every.c.id).where(every.c.collaboration_id == algorithm.collaboration_id, every.c.run_id == run)


def config_pairs(config: Iterable[tuple[int, tuple[str, str]]] | None) -> list[dict[str, str]]:
    """What a node told about itself, in the order in which it did."""
    return [{"key": key, "value": value} for _, (key, value) in sorted(config or ())]
