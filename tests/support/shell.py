"""An open shell in this process, and what the database says meanwhile."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dataquality.jobs.shell import db
from dataquality.jobs.shell.connection import ShellSession, opened
from support.databases import Databases
from support.importing import PEPPER, rows


@dataclass
class Shell:
    """`names` are those of the code that was run so far."""

    url: str
    session: ShellSession
    names: dict[str, Any] = field(default_factory=lambda: {"db": db, "Scope": db.Scope, "Operation": db.Operation})

    def run(self, code: str) -> None:
        """Run the code as if it were typed."""
        exec(code, self.names)

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Those columns of a table, in the order of its first column; a column alone is a plain list."""
        return rows(self.url, table, *columns)

    def trail(self) -> list[tuple[str, int, Any]]:
        """The audit trail: what was done, to whom, and the details."""
        return [row[1:] for row in sorted(self.rows("audit", "id", "action", "subject_id", "detail"), key=_first)]

    def events(self) -> list[tuple[str, str, Any]]:
        """Events on their way: name, room and arguments."""
        return [row[1:] for row in sorted(self.rows("outbox", "id", "event", "room", "payload"), key=_first)]

    def stamps(self) -> dict[int, int]:
        """By identity."""
        return dict(self.rows("authenticatable", "id", "stamp"))


def _first(row: Any) -> Any:
    return row[0]


@contextmanager
def shell_on(url: str, pepper: str = PEPPER) -> Generator[Shell]:
    """A shell on this database until the block ends."""
    with opened(url, pepper) as opening:
        yield Shell(url, opening.session)


@contextmanager
def shell_after(databases: Databases, name: str, code: str) -> Generator[Shell]:
    """A shell on a copy of a database in which the code ran, once for all of this name; its records are read anew."""

    def prepare(url: str) -> None:
        with shell_on(url) as shell:
            shell.run(code)
            _MADE[name] = {key: (type(one).__name__, one.id) for key, one in shell.names.items() if _is_record(one)}

    with databases.prepared_database(name, prepare) as url, shell_on(url) as shell:
        shell.names |= {key: getattr(db, kind).get(identity) for key, (kind, identity) in _MADE[name].items()}
        yield shell


_MADE: dict[str, dict[str, tuple[str, int]]] = {}


def _is_record(one: object) -> bool:
    return hasattr(one, "id") and hasattr(type(one), "save")
