"""The session behind all objects of the shell.

Reads run in AUTOCOMMIT, so that a shell that is left open overnight holds no transaction; what `save` and `delete` do
is one transaction each.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from warnings import catch_warnings, simplefilter

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SAWarning, SQLAlchemyError
from sqlalchemy.orm import Session

from dataquality.core.database import create_autocommit_engine, create_transaction_engine
from dataquality.jobs.shell.errors import ShellError
from dataquality.jobs.shell.refusals import explained


class ShellSession(Session):
    """Reads on one engine, and writes within `storing` on the other."""

    def __init__(self, reads: Engine, writes: Engine) -> None:
        super().__init__(autoflush=False, expire_on_commit=False)
        self._reads = reads
        self._writes = writes
        self._storing = False

    def get_bind(self, *_: Any, **__: Any) -> Engine:
        """The engine for a statement."""
        return self._writes if self._storing else self._reads

    @contextmanager
    def storing(self) -> Generator[None]:
        """One transaction around the block; raises ShellError when it cannot be, and then nothing of it is."""
        self._storing = True
        touched: list[object] = []
        try:
            with catch_warnings():
                # Objects that were made and not saved yet are in the relations of others; they are left out.
                simplefilter("ignore", SAWarning)
                yield
                touched += [*self.new, *self.dirty]
                self.commit()
        except SQLAlchemyError as error:
            self.rollback()
            raise ShellError(f"Nothing was stored: {explained(error, touched)}") from None
        except BaseException:
            self.rollback()
            raise
        finally:
            self._storing = False

    @contextmanager
    def reading(self) -> Generator[None]:
        """Raises ShellError when the database cannot be asked."""
        try:
            yield
        except DBAPIError as error:
            if error.connection_invalidated:
                # With the connection goes what was not saved yet.
                self.rollback()
            raise ShellError(f"The database cannot be read: {explained(error)}") from None

    @contextmanager
    def reading_anew(self, kind: type[object]) -> Generator[dict[str, bool]]:
        """Options with which a statement refreshes the objects that it finds, and spares what is not saved yet."""
        with self.reading():
            changed = any(isinstance(one, kind) for one in self.dirty)
            if changed:
                self.forget_clean(kind)
            yield {"populate_existing": not changed}

    def forget_clean(self, kind: type[object] = object) -> None:
        """Have the objects of this kind read anew when they are next looked at, but not those that were changed."""
        changed = set(self.dirty)
        for one in list(self.identity_map.values()):
            if isinstance(one, kind) and one not in changed:
                self.expire(one)

    def close_engines(self) -> None:
        """Close the connections."""
        self.close()
        self._reads.dispose()
        self._writes.dispose()


@dataclass(frozen=True)
class Shell:
    """What the objects of the shell stand on."""

    session: ShellSession
    pepper: str = field(repr=False)
    """That of the server's API keys."""


_open: list[Shell] = []


@contextmanager
def opened(database_url: str, pepper: str) -> Generator[Shell]:
    """Let the classes of the shell work on this database until the block ends."""
    engines = create_autocommit_engine(database_url), create_transaction_engine(database_url)
    shell = Shell(ShellSession(*engines), pepper)
    _open.append(shell)
    try:
        yield shell
    finally:
        _open.remove(shell)
        shell.session.close_engines()


def current() -> Shell:
    """The shell that is open. Raises ShellError when none is."""
    if not _open:
        raise ShellError("No database is open: these objects work within `vserver shell`.")
    return _open[-1]
