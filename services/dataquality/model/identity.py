"""Who can hold a token: users and nodes."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dataquality.model.base import Entity, short_values, utc_now
from dataquality.model.enums import OnlineStatus

if TYPE_CHECKING:
    from dataquality.model.collaboration import Collaboration
    from dataquality.model.organization import Organization
    from dataquality.model.permission import Role, Rule
    from dataquality.model.task import Task


def new_stamp() -> int:
    """A stamp that no identity has had yet.

    By chance and not by counting: Redis may still remember rights under the ids and stamps of another database, the
    one that stood here before, or the same one before an older backup was put in its place.
    """
    return secrets.randbits(62)


class Authenticatable(Entity):
    """What users and nodes share. Deleting a user or a node deletes its row here too (a trigger sees to it).

    `stamp` becomes another one whenever the rights of this identity change; what was cached under the old one is void.
    """

    __tablename__ = "authenticatable"
    __table_args__ = (
        CheckConstraint("type IN ('user', 'node')", name="type"),
        {"sqlite_autoincrement": True},
    )

    type: Mapped[str] = mapped_column(String(50))
    ip: Mapped[str | None]
    last_seen: Mapped[datetime | None]
    status: Mapped[OnlineStatus | None] = mapped_column(short_values(OnlineStatus, "status", 16))
    stamp: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), default=new_stamp, server_default="1"
    )
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    # passive_deletes: the ORM deletes the row here, and the foreign key takes the user or node along.
    __mapper_args__: Any = {"polymorphic_on": "type", "passive_deletes": True}  # noqa: RUF012


class User(Authenticatable):
    """A person. `password` is a hash.

    `otp_secret` is that of two-factor sign-in; `otp_last_counter` is the time step whose code was used last.
    """

    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("username"), UniqueConstraint("email"))
    __mapper_args__: Any = {"polymorphic_identity": "user"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("authenticatable.id", ondelete="CASCADE"), primary_key=True)
    username: Mapped[str]
    password: Mapped[str]
    firstname: Mapped[str | None]
    lastname: Mapped[str | None]
    email: Mapped[str | None]
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id", ondelete="RESTRICT"), index=True)
    failed_login_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    last_failed_login_at: Mapped[datetime | None]
    otp_secret: Mapped[str | None] = mapped_column(String(32))
    otp_last_counter: Mapped[int | None] = mapped_column(BigInteger)

    organization: Mapped["Organization"] = relationship(back_populates="users", lazy="raise")
    roles: Mapped[list["Role"]] = relationship(
        secondary="permission", back_populates="users", lazy="raise", passive_deletes=True
    )
    rules: Mapped[list["Rule"]] = relationship(
        secondary="userpermission", back_populates="users", lazy="raise", passive_deletes=True
    )
    created_tasks: Mapped[list["Task"]] = relationship(back_populates="init_user", lazy="raise", passive_deletes="all")


class Node(Authenticatable):
    """An organization's machine in one collaboration.

    `api_key_id` is the keyed look-up hash of the API key (64 hexadecimal digits); `api_key_hash` is an
    argon2id hash as well, for keys that a person chose. `can_kill` says whether it ends containers when told to: its
    software tells by what it does; null as long as nobody knows.
    """

    __tablename__ = "node"
    __table_args__ = (
        UniqueConstraint("organization_id", "collaboration_id"),
        CheckConstraint("length(api_key_id) = 64", name="api_key_id_length"),
    )
    __mapper_args__: Any = {"polymorphic_identity": "node"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("authenticatable.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str | None]
    api_key_id: Mapped[str] = mapped_column(String(64), index=True, unique=True)
    api_key_hash: Mapped[str | None]
    collaboration_id: Mapped[int] = mapped_column(ForeignKey("collaboration.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id", ondelete="RESTRICT"), index=True)
    can_kill: Mapped[bool | None]

    collaboration: Mapped["Collaboration"] = relationship(back_populates="nodes", lazy="raise")
    organization: Mapped["Organization"] = relationship(back_populates="nodes", lazy="raise")
    config: Mapped[list["NodeConfig"]] = relationship(
        back_populates="node", lazy="raise", cascade="all, delete-orphan", passive_deletes=True
    )


class NodeConfig(Entity):
    """One thing that a node told about itself; a key repeats when its value is a list."""

    __tablename__ = "nodeconfig"

    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete="CASCADE"), index=True)
    key: Mapped[str]
    value: Mapped[str]

    node: Mapped["Node"] = relationship(back_populates="config", lazy="raise")
