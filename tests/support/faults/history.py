"""What happened in a run, as the clients and the injector saw it: a record a call, event or fault, kept as JSON lines.

Times are seconds since the history began, by the clock of the one process that writes it.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

Kind = Literal["kill", "freeze", "cut", "flush"]
Step = Literal["start", "end"]


@dataclass(frozen=True)
class Asked:
    """A task was sent for the first time; attempts follow until one is answered."""

    at: float
    key: str
    """Its Idempotency-Key, which is its name as well."""
    nodes: list[int]
    """The nodes that it is for."""
    probe: bool = False
    """Sent to see whether delivery goes on."""


@dataclass(frozen=True)
class Replied:
    """An attempt to send a task ended; `status` is None when no answer came."""

    at: float
    key: str
    status: int | None
    task: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Opened:
    """A node's socket was let in."""

    at: float
    node: int


@dataclass(frozen=True)
class Closed:
    """A node's socket ended."""

    at: float
    node: int


@dataclass(frozen=True)
class Heard:
    """A node's socket brought an event about a task."""

    at: float
    node: int
    event: str
    task: int


@dataclass(frozen=True)
class Delivered:
    """A node found a result to work at: told by an event, or by its own look at what is open."""

    at: float
    node: int
    task: int
    result: int
    way: Literal["event", "sync"]


@dataclass(frozen=True)
class Told:
    """A node's attempt to PATCH its result ended."""

    at: float
    began: float
    node: int
    task: int
    result: int
    step: Step
    status: int | None
    outcome: str = ""
    """How it ended, with `step` "end": status and result."""


@dataclass(frozen=True)
class Killed:
    """An attempt to end a task ended."""

    at: float
    began: float
    task: int
    status: int | None


@dataclass(frozen=True)
class Read:
    """What the server said of a result."""

    at: float
    began: float
    task: int
    result: int
    node: int
    ended: bool
    outcome: str
    last: bool = False
    """Read after everything had come to rest."""


@dataclass(frozen=True)
class Listed:
    """All tasks of that name in the end."""

    at: float
    key: str
    tasks: list[int]


@dataclass(frozen=True)
class Fault:
    """A part was hit, or was let go again; `group` numbers those that overlap on purpose."""

    at: float
    group: int
    part: str
    kind: Kind
    phase: Literal["begin", "end"]


@dataclass(frozen=True)
class Whole:
    """After the faults of a group, all parts answered again."""

    at: float
    group: int


@dataclass(frozen=True)
class Retried:
    """A call that was sent again, or a token that was renewed; only counted."""

    at: float
    what: str
    why: str


@dataclass(frozen=True)
class Starved:
    """The process of the clients itself stood still for so many seconds, up to this moment."""

    at: float
    seconds: float


Record = (
    Asked | Replied | Opened | Closed | Heard | Delivered | Told | Killed | Read | Listed | Fault | Whole | Retried
    | Starved
)  # fmt: skip
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Asked, Replied, Opened, Closed, Heard, Delivered, Told, Killed, Read, Listed, Fault, Whole, Retried,
        Starved,
    )
}  # fmt: skip


class History:
    """Writes records as they come; nothing that was written is lost when the run fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", buffering=1, encoding="utf-8")
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the history began."""
        return round(time.monotonic() - self._began, 4)

    def add(self, record: Record) -> None:
        """Write one record."""
        self._file.write(line(record) + "\n")

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def line(record: Record) -> str:
    """A record as a line of JSON."""
    return json.dumps({"record": type(record).__name__} | asdict(record))


def read_history(lines: Iterable[str]) -> list[Record]:
    """The records of a file's lines, in order. Raises ValueError with the line that is none."""
    records: list[Record] = []
    for number, text in enumerate(lines, 1):
        values = json.loads(text)
        kind = _KINDS.get(values.pop("record", ""))
        if kind is None or set(values) - {field.name for field in fields(kind)}:
            raise ValueError(f"line {number} is no record of a history: {text[:200]}")
        records.append(kind(**values))
    return records
