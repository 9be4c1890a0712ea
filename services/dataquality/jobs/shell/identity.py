"""Users and nodes."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.orm import Mapped, column_property, relationship, validates

from dataquality.core.keys import api_key_id, needs_slow_hash
from dataquality.core.password_policy import password_problem
from dataquality.core.passwords import hash_password, verify_password
from dataquality.core.usernames import username_problem
from dataquality.jobs.shell.connection import current
from dataquality.jobs.shell.errors import NotThere, ShellError
from dataquality.jobs.shell.record import Record
from dataquality.jobs.shell.tables import table
from dataquality.model import OnlineStatus, Operation, Scope, utc_now

if TYPE_CHECKING:
    from dataquality.jobs.shell.organization import Collaboration, Organization
    from dataquality.jobs.shell.permission import Role, Rule
    from dataquality.jobs.shell.task import Task


class Authenticatable(Record):
    """What users and nodes share."""

    __table__ = table("authenticatable")
    __mapper_args__: Any = {"polymorphic_on": "type", "passive_deletes": True}  # noqa: RUF012

    type: Mapped[str]
    ip: Mapped[str | None]
    last_seen: Mapped[datetime | None]
    status: Mapped[OnlineStatus | None]
    created_at: Mapped[datetime]
    _stamp: Mapped[int] = column_property(table("authenticatable").c.stamp)


class User(Authenticatable):
    """A person."""

    __table__ = table("user")
    __mapper_args__: Any = {"polymorphic_identity": "user"}  # noqa: RUF012
    _shown = ("username", "organization_id")

    username: Mapped[str]
    firstname: Mapped[str | None]
    lastname: Mapped[str | None]
    email: Mapped[str | None]
    organization_id: Mapped[int]
    failed_login_attempts: Mapped[int]
    last_failed_login_at: Mapped[datetime | None]
    otp_secret: Mapped[str | None]
    otp_last_counter: Mapped[int | None]
    _password: Mapped[str] = column_property(table("user").c.password)

    organization: Mapped["Organization"] = relationship(back_populates="users")
    roles: Mapped[list["Role"]] = relationship(
        secondary=table("permission"), back_populates="users", passive_deletes=True
    )
    rules: Mapped[list["Rule"]] = relationship(
        secondary=table("userpermission"), back_populates="users", passive_deletes=True
    )
    created_tasks: Mapped[list["Task"]] = relationship(back_populates="init_user", passive_deletes="all")

    def __init__(self, **values: Any) -> None:
        # The rules for the password ask for the name, and one that is refused must not be left in an organization.
        first = {name: values.pop(name) for name in ("username", "password") if name in values}
        super().__init__(**first, **values)

    @validates("username")
    def _clear_username(self, _key: str, username: object) -> object:
        if isinstance(username, str) and (problem := username_problem(username)):
            raise ShellError(f"The username {problem}.")
        return username

    @property
    def password(self) -> str:
        """The hash of the password. What is assigned must be within the rules, and is hashed."""
        return self._password

    @password.setter
    def password(self, plain: str) -> None:
        if problem := password_problem(_secret("password", plain), self.username or ""):
            raise ShellError(f"The password must {problem}.")
        self._password = hash_password(plain)

    @property
    def last_login_attempt(self) -> datetime | None:
        """When a sign-in last failed."""
        return self.last_failed_login_at

    @classmethod
    def get_by_username(cls, username: str) -> Self:
        """The user of this name. Raises NotThere."""
        return cls._one("username", username)

    @classmethod
    def get_by_email(cls, email: str) -> Self:
        """The user with this e-mail address. Raises NotThere."""
        return cls._one("email", email)

    @classmethod
    def get_user_list(cls) -> list[Self]:
        """All users."""
        return cls.get()

    @classmethod
    def username_exists(cls, username: str) -> bool:
        """True if there is a user of this name."""
        return cls.exists("username", username)

    @classmethod
    def exists(cls, field: str, value: Any) -> bool:
        """True if there is a user with this value, as in ("email", "a@b.org")."""
        if field.startswith("_") or field not in cls.__mapper__.columns:
            raise ShellError(f"User has no {field!r} to look for.")
        return cls._first(getattr(cls, field) == value) is not None

    def set_password(self, password: str) -> str | None:
        """Set and save a new password. One that is against the rules is not set, and what is wrong is returned."""
        if problem := password_problem(password, self.username):
            return f"The password must {problem}."
        self.password = password
        self.save()
        return None

    def check_password(self, password: str) -> bool:
        """True if this is the user's password."""
        return verify_password(self._password, password)

    def is_blocked(self, max_failed_attempts: int, inactivation_minutes: int) -> tuple[bool, int | None]:
        """Whether the user may not sign in after so many failures, and for how many minutes from now."""
        if self.last_failed_login_at is None or self.failed_login_attempts < max_failed_attempts:
            return False, None
        left = self.last_failed_login_at + timedelta(minutes=inactivation_minutes) - utc_now()
        return (True, int(left / timedelta(minutes=1)) + 1) if left > timedelta() else (False, None)

    def can(self, resource: str, scope: Scope, operation: Operation) -> bool:
        """True if the user holds exactly this rule, by a role or without."""
        held = [*self.rules, *(rule for role in self.roles for rule in role.rules)]
        return any((rule.name, rule.scope, rule.operation) == (resource, scope, operation) for rule in held)

    @classmethod
    def _one(cls, field: str, value: str) -> Self:
        found = cls._first(getattr(cls, field) == value)
        if found is None:
            raise NotThere(f"There is no user with the {field} {value!r}.")
        return found


class Node(Authenticatable):
    """An organization's machine in one collaboration."""

    __table__ = table("node")
    __mapper_args__: Any = {"polymorphic_identity": "node"}  # noqa: RUF012
    _shown = ("name", "organization_id", "collaboration_id", "status")

    name: Mapped[str | None]
    collaboration_id: Mapped[int]
    organization_id: Mapped[int]
    _api_key_id: Mapped[str] = column_property(table("node").c.api_key_id)
    _api_key_hash: Mapped[str | None] = column_property(table("node").c.api_key_hash)

    collaboration: Mapped["Collaboration"] = relationship(back_populates="nodes")
    organization: Mapped["Organization"] = relationship(back_populates="nodes")
    config: Mapped[list["NodeConfig"]] = relationship(
        back_populates="node", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def api_key(self) -> str:
        """The hash of the key, by which it is found. What is assigned is hashed."""
        return self._api_key_id

    @api_key.setter
    def api_key(self, plain: str) -> None:
        self._api_key_id = api_key_id(_secret("api_key", plain), current().pepper)
        self._api_key_hash = hash_password(plain) if needs_slow_hash(plain) else None

    @classmethod
    def get_by_api_key(cls, api_key: str) -> Self | None:
        """The node with this key, or None."""
        found = cls._first(cls._api_key_id == api_key_id(api_key, current().pepper))
        return found if found is not None and found.check_key(api_key) else None

    @classmethod
    def exists(cls, organization_id: int, collaboration_id: int) -> Self | None:
        """The node of that organization in that collaboration, or None."""
        return cls._first(cls.organization_id == organization_id, cls.collaboration_id == collaboration_id)

    @classmethod
    def get_online_nodes(cls) -> list[Self]:
        """The nodes that are connected."""
        return cls._all(cls.status == OnlineStatus.ONLINE)

    def check_key(self, api_key: str) -> bool:
        """True if this is the node's key."""
        if self._api_key_id != api_key_id(api_key, current().pepper):
            return False
        return self._api_key_hash is None or verify_password(self._api_key_hash, api_key)


class NodeConfig(Record):
    """One thing that a node told about itself."""

    __table__ = table("nodeconfig")
    _shown = ("node_id", "key", "value")

    node_id: Mapped[int]
    key: Mapped[str]
    value: Mapped[str]

    node: Mapped["Node"] = relationship(back_populates="config")


def _secret(name: str, plain: Any) -> str:
    if not isinstance(plain, str) or not plain:
        raise ShellError(f"{name} takes a text that is not empty.")
    return plain
