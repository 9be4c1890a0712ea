"""Roles and rules."""

import sys
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.orm import Mapped, relationship

from dataquality.jobs.shell.record import Record
from dataquality.jobs.shell.tables import table
from dataquality.model import Operation, Scope

if TYPE_CHECKING:
    from dataquality.jobs.shell.identity import User
    from dataquality.jobs.shell.organization import Organization


class Rule(Record):
    """Leave for one operation on one kind of resource (its name), within a scope."""

    __table__ = table("rule")
    _shown = ("name", "scope", "operation")

    name: Mapped[str]
    operation: Mapped[Operation]
    scope: Mapped[Scope]
    description: Mapped[str | None]

    roles: Mapped[list["Role"]] = relationship(
        secondary=table("role_rule_association"), back_populates="rules", passive_deletes=True
    )
    users: Mapped[list["User"]] = relationship(
        secondary=table("userpermission"), back_populates="rules", passive_deletes=True
    )

    @classmethod
    def get_by_(cls, name: str, scope: Any, operation: Any) -> Self | None:
        """The rule on this resource, such as ("node", Scope.GLOBAL, Operation.VIEW), or None.

        `Scope` or `Operation` itself, as the manual has it, stands for any: then it is the rule that allows least.
        """
        found = [
            rule
            for rule in cls._all(cls.name == name)
            if _fits(rule.scope, Scope, scope) and _fits(rule.operation, Operation, operation)
        ]
        least = min(found, key=_might, default=None)
        if least is not None and (scope is Scope or operation is Operation):
            sys.stderr.write(f"note: {len(found)} rules fit; this is the one that allows least: {least!r}\n")
        return least


class Role(Record):
    """A named set of rules; without an organization it is there for all."""

    __table__ = table("role")
    _shown = ("name", "organization_id")

    name: Mapped[str]
    description: Mapped[str | None]
    organization_id: Mapped[int | None]

    organization: Mapped["Organization | None"] = relationship(back_populates="roles")
    rules: Mapped[list["Rule"]] = relationship(
        secondary=table("role_rule_association"), back_populates="roles", passive_deletes=True
    )
    users: Mapped[list["User"]] = relationship(
        secondary=table("permission"), back_populates="roles", passive_deletes=True
    )

    @classmethod
    def get_by_name(cls, name: str) -> Self | None:
        """The first of this name, or None."""
        return cls._first(cls.name == name)


def _fits(member: Scope | Operation, kind: type[Scope] | type[Operation], wanted: Any) -> bool:
    return wanted is kind or wanted is member or wanted in (member.name, member.value)


def _might(rule: Rule) -> tuple[int, int]:
    """The operations and scopes stand in the order of what they allow."""
    return list(Operation).index(rule.operation), list(Scope).index(rule.scope)
