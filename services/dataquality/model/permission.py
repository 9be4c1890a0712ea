"""Who may do what: rules, roles, and who has them."""

from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dataquality.model.base import Base, Entity, short_values
from dataquality.model.enums import Operation, Scope

if TYPE_CHECKING:
    from dataquality.model.identity import User
    from dataquality.model.organization import Organization

permission = Table(
    "permission",
    Base.metadata,
    Column[int]("role_id", ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
    Column[int]("user_id", ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True),
)

userpermission = Table(
    "userpermission",
    Base.metadata,
    Column[int]("rule_id", ForeignKey("rule.id", ondelete="CASCADE"), primary_key=True),
    Column[int]("user_id", ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True),
)

role_rule_association = Table(
    "role_rule_association",
    Base.metadata,
    Column[int]("role_id", ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
    Column[int]("rule_id", ForeignKey("rule.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Rule(Entity):
    """Leave for one operation on one kind of resource (`name`), within a scope. Made by the seed only."""

    __tablename__ = "rule"
    __table_args__ = (UniqueConstraint("name", "scope", "operation"), {"sqlite_autoincrement": True})

    name: Mapped[str]
    operation: Mapped[Operation] = mapped_column(short_values(Operation, "operation", 1))
    scope: Mapped[Scope] = mapped_column(short_values(Scope, "scope", 3))
    description: Mapped[str | None]

    roles: Mapped[list["Role"]] = relationship(
        secondary="role_rule_association", back_populates="rules", lazy="raise", passive_deletes=True
    )
    users: Mapped[list["User"]] = relationship(
        secondary="userpermission", back_populates="rules", lazy="raise", passive_deletes=True
    )


class Role(Entity):
    """A named set of rules; without an organization it is there for all."""

    __tablename__ = "role"

    name: Mapped[str]
    description: Mapped[str | None]
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"), index=True)

    organization: Mapped["Organization | None"] = relationship(back_populates="roles", lazy="raise")
    rules: Mapped[list["Rule"]] = relationship(
        secondary="role_rule_association", back_populates="roles", lazy="raise", passive_deletes=True
    )
    users: Mapped[list["User"]] = relationship(
        secondary="permission", back_populates="roles", lazy="raise", passive_deletes=True
    )
