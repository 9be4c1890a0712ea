"""SQL of rules. They are no secret: every user may see them all."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import Statement, rule_relations
from dataquality.auth.rule.schemas import RuleFilter
from dataquality.core.paging import Listing
from dataquality.core.query import equal
from dataquality.model import Operation, Rule, Scope, role_rule_association


def _select() -> Statement:
    return select(Rule.id, Rule.name, Rule.scope, Rule.operation, Rule.description, *rule_relations)


def listing(wanted: RuleFilter) -> Listing:
    """The rules asked for."""
    conditions = [
        *equal(Rule.name, wanted.name),
        *equal(Rule.operation, wanted.operation and Operation[wanted.operation]),
        *equal(Rule.scope, wanted.scope and Scope[wanted.scope]),
        *([] if wanted.role_id is None else [Rule.id.in_(_in_role(wanted.role_id))]),
    ]
    return Listing(_select(), Rule.id, conditions)


def in_role(role_id: int) -> Listing:
    """The rules in a role."""
    return Listing(_select(), Rule.id, [Rule.id.in_(_in_role(role_id))])


async def find(connection: AsyncConnection, rule_id: int) -> Any | None:
    """One rule."""
    return (await connection.execute(_select().where(Rule.id == rule_id))).one_or_none()


def _in_role(role_id: int) -> Statement:
    return select(role_rule_association.c.rule_id).where(role_rule_association.c.role_id == role_id)
