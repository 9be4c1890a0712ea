"""Signs of life are written down now and then, for all at once: none is lost between two times."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError

from dataquality.core.database import Database
from dataquality.dispatch.sockets import leases
from dataquality.dispatch.sockets.present import Present
from dataquality.dispatch.sockets.upkeep import Upkeep

write_those_seen = cast(Any, Upkeep)._write_those_seen


async def test_a_sign_that_comes_while_others_are_written_is_written_next(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    present, written = Present(seen={1, 2}), list[set[int]]()

    async def see(_session: Any, seen: set[int]) -> None:
        written.append(seen)
        present.seen.update({2, 3} if len(written) == 1 else ())

    monkeypatch.setattr(leases, "see", see)
    database = Database(sqlite_url)
    upkeep = Upkeep(cast(Any, SimpleNamespace(database=database)), cast(Any, None), present)
    await write_those_seen(upkeep)
    await write_those_seen(upkeep)
    await database.close()
    assert (written, present.seen) == ([{1, 2}, {2, 3}], set())


async def test_signs_are_kept_while_the_database_is_away(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(leases, "see", fail)
    database, present = Database(sqlite_url), Present(seen={1})
    upkeep = Upkeep(cast(Any, SimpleNamespace(database=database)), cast(Any, None), present)
    with pytest.raises(OperationalError):
        await write_those_seen(upkeep)
    await database.close()
    assert present.seen == {1}
