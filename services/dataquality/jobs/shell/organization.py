"""Organizations and collaborations."""

import base64
import binascii
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Mapped, column_property, relationship

from dataquality.jobs.shell.connection import current
from dataquality.jobs.shell.errors import ShellError
from dataquality.jobs.shell.record import Record
from dataquality.jobs.shell.tables import table

if TYPE_CHECKING:
    from dataquality.jobs.shell.identity import Node, User
    from dataquality.jobs.shell.permission import Role
    from dataquality.jobs.shell.task import Result, Task


class Organization(Record):
    """A hospital or a registry."""

    __table__ = table("organization")
    _shown = ("name", "domain", "country")
    _dependents = ("users", "nodes", "roles", "collaborations", "results", "created_tasks")

    name: Mapped[str | None]
    domain: Mapped[str | None]
    address1: Mapped[str | None]
    address2: Mapped[str | None]
    zipcode: Mapped[str | None]
    country: Mapped[str | None]
    _public_key: Mapped[bytes | None] = column_property(table("organization").c.public_key)

    collaborations: Mapped[list["Collaboration"]] = relationship(
        secondary=table("member"), back_populates="organizations", passive_deletes=True
    )
    nodes: Mapped[list["Node"]] = relationship(back_populates="organization", passive_deletes="all")
    users: Mapped[list["User"]] = relationship(back_populates="organization", passive_deletes="all")
    roles: Mapped[list["Role"]] = relationship(back_populates="organization", passive_deletes="all")
    results: Mapped[list["Result"]] = relationship(back_populates="organization", passive_deletes="all")
    created_tasks: Mapped[list["Task"]] = relationship(back_populates="initiator", passive_deletes="all")

    @property
    def public_key(self) -> str:
        """The key in base64, as the API shows it; empty when there is none."""
        return base64.b64encode(self._public_key or b"").decode()

    @public_key.setter
    def public_key(self, encoded: str | None) -> None:
        try:
            self._public_key = base64.b64decode(encoded, validate=True) if encoded else None
        except binascii.Error as error:
            raise ShellError(f"public_key takes the key in base64: {error}.") from None

    @classmethod
    def get_by_name(cls, name: str) -> Self | None:
        """The first of this name, or None."""
        return cls._first(cls.name == name)

    def get_result_ids(self) -> list[Any]:
        """The ids of its results, a row each."""
        results = table("result").c
        session = current().session
        with session.reading():
            ids = select(results.id).where(results.organization_id == self.id).order_by(results.id)
            return list(session.execute(ids))


class Collaboration(Record):
    """Organizations that agreed to work together."""

    __table__ = table("collaboration")
    _shown = ("name", "encrypted")
    _dependents = ("nodes", "tasks")

    name: Mapped[str]
    encrypted: Mapped[bool]

    organizations: Mapped[list["Organization"]] = relationship(
        secondary=table("member"), back_populates="collaborations", passive_deletes=True
    )
    nodes: Mapped[list["Node"]] = relationship(back_populates="collaboration", passive_deletes="all")
    tasks: Mapped[list["Task"]] = relationship(back_populates="collaboration", passive_deletes="all")

    @classmethod
    def find_by_name(cls, name: str) -> Self | None:
        """The one of this name, or None."""
        return cls._first(cls.name == name)

    @classmethod
    def name_exists(cls, name: str) -> bool:
        """True if there is one of this name."""
        return cls.find_by_name(name) is not None

    def get_organization_ids(self) -> list[int]:
        """The ids of its organizations."""
        return [organization.id for organization in self.organizations]

    def get_task_ids(self) -> list[int]:
        """The ids of its tasks."""
        return [task.id for task in self.tasks]

    def get_nodes_from_organizations(self, ids: Iterable[int]) -> list["Node"]:
        """Its nodes that belong to organizations with these ids."""
        wanted = set(ids)
        return [node for node in self.nodes if node.organization_id in wanted]

    def get_node_from_organization(self, organization: Organization) -> "Node | None":
        """The node of this organization, or None."""
        return next(iter(self.get_nodes_from_organizations([organization.id])), None)
