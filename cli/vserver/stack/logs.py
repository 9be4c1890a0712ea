"""What is asked of logs, and how their lines are told apart by time."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from vserver.stack.plan import ComponentName

OnLine = Callable[[ComponentName, str], None]
"""Called with each line, and the component that wrote it."""


@dataclass(frozen=True)
class LogsWanted:
    """Which lines are shown before those that are yet to come."""

    components: tuple[ComponentName, ...]
    since: datetime | None = None
    last: int | None = 10
    """The last lines of each component; None for all (since `since`)."""


_ISO = re.compile(r"(\d{4}[-/]\d\d[-/]\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)? ?(Z\b|[+-]\d\d:?\d\d)?")
_REDIS = re.compile(r"\d+:[A-Z] (\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d)")
_CADDY = re.compile(r'"ts": ?(\d+)')


def stamp_of(line: str) -> datetime | None:
    """When a line was written, as our services, Postgres, Redis and the gateway write it; None where it does not say.

    What names no zone is in UTC, in which all parts of a stack run.
    """
    try:
        if match := _ISO.search(line):
            zone = (match[3] or "Z").replace("Z", "+00:00")
            return datetime.fromisoformat(f"{match[1].replace('/', '-')}T{match[2]}{zone}")
        if match := _REDIS.match(line):
            return datetime.strptime(match[1], "%d %b %Y %H:%M:%S").replace(tzinfo=UTC)
        if match := _CADDY.search(line):
            return datetime.fromtimestamp(int(match[1]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def written_since(lines: Iterable[str], moment: datetime) -> Iterator[str]:
    """The lines from then on. A line that does not say when it was written belongs to the one before it."""
    is_later = False
    for line in lines:
        stamp = stamp_of(line)
        if stamp is not None:
            is_later = stamp >= moment.replace(microsecond=0)
        if is_later:
            yield line


_OURS = re.compile(r'\bcomponent(?:=|": ?")([a-z]+(?:-\d+)?)')


def component_in(line: str, names: Iterable[ComponentName]) -> ComponentName | None:
    """Which component wrote a line of the log file that all of them share; None where it is none of these."""
    found = [match for match in _OURS.findall(line) if match in names]
    return found[-1] if found else None
