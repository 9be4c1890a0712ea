"""Since when nodes can reach this server without a break: while they could not, none of them was gone.

Each instance of the service notes that it is up; two facts of the server (`serverstate`) say since when and until when.
"""

from datetime import datetime, timedelta

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import aliased

from dataquality.model import ServerState, utc_now

_SINCE, _AT = "nodes_reach_us_since", "nodes_reached_us_at"
_GAP = timedelta(minutes=2)
"""A longer silence of all instances was a break."""
_OFTEN = timedelta(seconds=30)


async def note_up(session: AsyncSession) -> None:
    """This instance is up. Writes at most every half minute, whatever the number of instances."""
    now = utc_now()
    if await _value(session, _AT) is None:
        await session.execute(insert(ServerState), [{"key": key, "value": _text(now)} for key in (_SINCE, _AT)])
        return
    last = aliased(ServerState)
    after_break = exists().where(last.key == _AT, last.value < _text(now - _GAP))
    await session.execute(
        update(ServerState)
        .where(ServerState.key == _SINCE, after_break)
        .values(value=_text(now))
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(ServerState)
        .where(ServerState.key == _AT, ServerState.value < _text(now - _OFTEN))
        .values(value=_text(now))
        .execution_options(synchronize_session=False)
    )


async def up_since(connection: AsyncConnection) -> datetime | None:
    """Since when nodes can reach us without a break; None when they cannot at the moment."""
    rows = await connection.execute(select(ServerState.key, ServerState.value))
    facts = {key: value for key, value in rows if key in (_SINCE, _AT)}
    if len(facts) < 2 or facts[_AT] < _text(utc_now() - _GAP):
        return None
    return datetime.fromisoformat(facts[_SINCE])


async def _value(session: AsyncSession, key: str) -> str | None:
    return await session.scalar(select(ServerState.value).where(ServerState.key == key))


def _text(moment: datetime) -> str:
    # Of one length always, so that texts compare as times do.
    return moment.isoformat(timespec="microseconds")
