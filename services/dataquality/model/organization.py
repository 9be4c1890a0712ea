"""The institutions that work together."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped, relationship

from dataquality.model.base import Entity

if TYPE_CHECKING:
    from dataquality.model.collaboration import Collaboration
    from dataquality.model.identity import Node, User
    from dataquality.model.permission import Role
    from dataquality.model.task import Result, Task


class Organization(Entity):
    """A hospital or a registry. `public_key` is the decoded key; the API shows it in base64."""

    __tablename__ = "organization"

    name: Mapped[str | None]
    domain: Mapped[str | None]
    address1: Mapped[str | None]
    address2: Mapped[str | None]
    zipcode: Mapped[str | None]
    country: Mapped[str | None]
    public_key: Mapped[bytes | None]

    collaborations: Mapped[list["Collaboration"]] = relationship(
        secondary="member", back_populates="organizations", lazy="raise", passive_deletes=True
    )
    nodes: Mapped[list["Node"]] = relationship(back_populates="organization", lazy="raise", passive_deletes="all")
    users: Mapped[list["User"]] = relationship(back_populates="organization", lazy="raise", passive_deletes="all")
    roles: Mapped[list["Role"]] = relationship(back_populates="organization", lazy="raise", passive_deletes="all")
    results: Mapped[list["Result"]] = relationship(back_populates="organization", lazy="raise", passive_deletes="all")
    created_tasks: Mapped[list["Task"]] = relationship(back_populates="initiator", lazy="raise", passive_deletes="all")
