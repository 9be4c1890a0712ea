"""To-many relations as one value per row, so that a list takes one statement however long it is."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import JSON, ColumnElement, FromClause, ScalarSelect, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from dataquality.core.links import NEWEST
from dataquality.model import Collaboration, Node, NodeConfig, Organization, Result, Role, Task, User, member


class json_list(GenericFunction[Any]):
    """All values of a group as a JSON array; null or an empty array when there are none."""

    type = JSON()
    inherit_cache = True


class json_pair(GenericFunction[Any]):
    """Two values as a JSON array."""

    type = JSON()
    inherit_cache = True


def _spelled(function: type[GenericFunction[Any]], default: str, sqlite: str) -> None:
    def spell(name: str) -> Callable[..., str]:
        def spelled(element: Any, compiler: Any, **options: Any) -> str:
            return f"{name}{compiler.function_argspec(element, **options)}"

        return spelled

    compiles(function)(spell(default))
    compiles(function, "sqlite")(spell(sqlite))


_spelled(json_list, "json_agg", "json_group_array")
_spelled(json_pair, "json_build_array", "json_array")

organizations: FromClause = Organization.__table__
collaborations: FromClause = Collaboration.__table__
nodes: FromClause = Node.__table__
_users: FromClause = User.__table__
_roles: FromClause = Role.__table__
_results: FromClause = Result.__table__
_tasks: FromClause = Task.__table__
_config: FromClause = NodeConfig.__table__


def _ids(column: ColumnElement[int], condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(json_list(column)).where(condition).scalar_subquery()


def _newest(column: ColumnElement[int], condition: ColumnElement[bool], of: FromClause) -> ScalarSelect[Any]:
    newest = select(column.label("id")).where(condition).order_by(column.desc()).limit(NEWEST).correlate(of).subquery()
    return select(json_list(newest.c.id)).scalar_subquery()


organization_relations = (
    _ids(member.c.collaboration_id, member.c.organization_id == organizations.c.id).label("collaborations"),
    _ids(nodes.c.id, nodes.c.organization_id == organizations.c.id).label("nodes"),
    _ids(_users.c.id, _users.c.organization_id == organizations.c.id).label("users"),
    _ids(_roles.c.id, _roles.c.organization_id == organizations.c.id).label("roles"),
    _newest(_results.c.id, _results.c.organization_id == organizations.c.id, organizations).label("results"),
)
collaboration_relations = (
    _ids(member.c.organization_id, member.c.collaboration_id == collaborations.c.id).label("organizations"),
    _ids(nodes.c.id, nodes.c.collaboration_id == collaborations.c.id).label("nodes"),
    _newest(_tasks.c.id, _tasks.c.collaboration_id == collaborations.c.id, collaborations).label("tasks"),
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


def ascending(identities: Iterable[int] | None) -> list[int]:
    """A relation's ids, lowest first."""
    return sorted(identities or ())


def newest_first(identities: Iterable[int] | None) -> list[int]:
    """A relation's ids, highest first."""
    return sorted(identities or (), reverse=True)
