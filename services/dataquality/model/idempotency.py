"""What was answered to requests that may come again."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Base, utc_now


class KeptAnswer(Base):
    """The answer to a creating request with an `Idempotency-Key`, written in the transaction that it tells about.

    `key` and `fingerprint` are hashes: of the caller's key, and of what was asked. `body` holds no secret; one that
    the answer had is made again from `nonce` and what the database does not hold. No foreign keys: an answer stands
    whatever becomes of its caller, for a day.
    """

    __tablename__ = "keptanswer"

    caller_type: Mapped[str] = mapped_column(primary_key=True)
    caller_id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    nonce: Mapped[str]
    status: Mapped[int]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
