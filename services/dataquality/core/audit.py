"""Who did what to whom. Append only; every service may."""

from typing import Any

from sqlalchemy import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import get_contextvars

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller
from dataquality.model import AuditEntry


async def record(
    session: AsyncSession,
    caller: Caller | None,
    action: str,
    subject_type: str,
    subject_id: int | None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one line in the session's own transaction; `detail` must hold no secrets."""
    await session.execute(
        insert(AuditEntry).values(
            actor_type=actor_type(caller),
            actor_id=caller.id if caller else None,
            action=action,
            subject_type=subject_type,
            subject_id=subject_id,
            detail=detail,
            request_id=get_contextvars().get("request_id"),
        )
    )


def operator_entry(
    action: str, subject_type: str, subject_id: int | None, detail: dict[str, Any] | None = None
) -> Insert:
    """The statement for one line about what the operator does with a job, past the API."""
    return insert(AuditEntry).values(
        actor_type="operator", action=action, subject_type=subject_type, subject_id=subject_id, detail=detail
    )


def actor_type(caller: Caller | None) -> str:
    """The kind of a caller, in a word."""
    if caller is None:
        return "anyone"
    if isinstance(caller, ContainerCaller):
        return "container"
    return "node" if isinstance(caller, NodeCaller) else "user"
