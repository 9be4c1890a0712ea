"""What must be remembered about tokens, and about the server itself."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Base, Entity, utc_now


class RefreshSession(Entity):
    """A refresh token that was given out. All that came from one login share a `family`; a node's is its API key's id.

    `expires_at` is null for nodes: theirs end by revocation.
    """

    __tablename__ = "refreshsession"

    jti: Mapped[str] = mapped_column(index=True, unique=True)
    authenticatable_id: Mapped[int] = mapped_column(ForeignKey("authenticatable.id", ondelete="CASCADE"), index=True)
    family: Mapped[str] = mapped_column(index=True)
    issued_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class UsedToken(Base):
    """A token that works once and has worked; kept until it would have expired anyway."""

    __tablename__ = "usedtoken"

    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


ROOT_PASSWORD_IS_DEFAULT = "root_password_is_default"  # noqa: S105 - the name of a fact, not a password
"""Key in `serverstate`: there, with the value "true", until the first user's password was changed."""


class ServerState(Base):
    """A fact about this server as a whole."""

    __tablename__ = "serverstate"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
