"""The import as a whole: compare, hash, then write in one transaction under the lock that all jobs share."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from dataquality.core.keys import api_key_id
from dataquality.core.passwords import hash_password
from dataquality.jobs.importer import changes
from dataquality.jobs.importer.clashes import clashes
from dataquality.jobs.importer.differences import Difference, differences, other_keys
from dataquality.jobs.importer.document import ImportFile
from dataquality.jobs.importer.hashing import Hashes
from dataquality.jobs.importer.known import Known, known_after_seed, load
from dataquality.jobs.importer.plan import KINDS, Plan, make_plan
from dataquality.jobs.importer.problems import InvalidFile
from dataquality.jobs.importer.progress import Progress
from dataquality.jobs.importer.write import NewKey, Writer
from dataquality.jobs.migrate import lock_database
from dataquality.jobs.reading import snapshot
from dataquality.jobs.seed import seed
from dataquality.model import AuditEntry, Base

# The audit trail is append only, and run ids are never given out twice.
_KEPT_TABLES = {"audit", "runcounter"}
_LOCK_SECONDS = 60
_TABLES = {kind: Base.metadata.tables[kind.removesuffix("s")] for kind in (*KINDS, "results")}


@dataclass(frozen=True)
class Done:
    """What an import did, or in a dry run would do; how much of each kind `--drop-all` deletes, and new API keys."""

    plan: Plan
    deleted: dict[str, int] = field(default_factory=dict[str, int])
    new_keys: list[NewKey] = field(default_factory=list[NewKey], repr=False)

    @property
    def without_password(self) -> int:
        """How many new users nobody can sign in as yet."""
        return sum(not user.password.value for _, user in self.plan.users)

    def audited(self) -> dict[str, Any]:
        """What the audit trail says: no secrets."""
        return {"deleted": self.deleted, **self.plan.counts()}


@dataclass(frozen=True)
class ImportJob:
    """One file into one database.

    `drop_all`: instead of what is there, not in addition to it. `update`: what differs is changed, not refused.
    """

    file: ImportFile
    pepper: str
    drop_all: bool
    update: bool
    progress: Progress

    def dry_run(self, connection: Connection) -> Done:
        """What `run` would do now; only reads. Raises InvalidFile."""
        known = self._known(connection)
        return Done(self._plan(known), _counted(connection) if self.drop_all else {})

    async def run(self, engine: AsyncEngine) -> Done:
        """Do it. Raises InvalidFile before anything is written, and leaves the database as it was when it fails."""
        # Of one moment: half of what another import writes meanwhile would look like a mistake in the file.
        with snapshot(engine.url) as connection:
            known = self._known(connection)
        hashes = Hashes()
        hashes.add_missing(self._plan(known), self.progress)
        async with engine.begin() as connection:
            return await connection.run_sync(self._write, hashes)

    def _known(self, connection: Connection) -> Known:
        return known_after_seed() if self.drop_all else self._load(connection)

    def _load(self, connection: Connection) -> Known:
        key_ids = {self._key_id(participant.api_key.value) for _, participant in self.file.participants}
        return load(connection, self.file, key_ids)

    def _plan(self, known: Known) -> Plan:
        """What is to be written. Raises InvalidFile with all that is wrong."""
        differing = list(differences(self.file, known))
        problems = [*self.file.problems, *clashes(self.file, known, self._key_id)]
        problems += [] if self.update else [difference.problem for difference in differing]
        if problems:
            raise InvalidFile(problems)
        return make_plan(self.file, known, [*differing, *other_keys(self.file, known)] if self.update else [])

    def _write(self, connection: Connection, hashes: Hashes) -> Done:
        lock_database(connection, _LOCK_SECONDS)
        deleted = self._drop_all(connection) if self.drop_all else {}
        # Another job may have changed something since we looked: now none can. What the API changes from here on and
        # does not go with this, the database's own rules refuse.
        known = self._load(connection)
        plan = self._plan(known)
        hashes.add_missing(plan, self.progress)
        self._note_kept_keys(known)
        writer = Writer(connection, plan, known, hashes, self._key_id, self.progress)
        done = Done(plan, deleted, writer.write())
        changes.apply(connection, plan.differences, writer.roles, writer.rules)
        if plan.changes_something or self.drop_all:
            self._record(connection, done)
        return done

    def _note_kept_keys(self, known: Known) -> None:
        kept: list[Difference] = [] if self.update else list(other_keys(self.file, known))
        for difference in kept:
            self.progress.note(f"the organization {difference.name!r} keeps the public key that it has now")

    def _drop_all(self, connection: Connection) -> dict[str, int]:
        self.progress.note("deleting all that the database holds")
        deleted = _counted(connection)
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in _KEPT_TABLES:
                connection.execute(delete(table))
        seed(connection, hash_password)
        return deleted

    def _record(self, connection: Connection, done: Done) -> None:
        detail = {"drop_all": self.drop_all, "update": self.update, **done.audited()}
        connection.execute(insert(AuditEntry).values(actor_type="operator", action="batch import", detail=detail))

    def _key_id(self, api_key: str) -> str:
        return api_key_id(api_key, self.pepper)


def _counted(connection: Connection) -> dict[str, int]:
    """How much of each kind there is."""
    return {kind: connection.scalar(select(func.count()).select_from(table)) or 0 for kind, table in _TABLES.items()}
