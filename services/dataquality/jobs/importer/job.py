"""The import as a whole: compare, hash, then write in one transaction under the lock that all jobs share."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from dataquality.core.keys import api_key_id
from dataquality.core.passwords import hash_password
from dataquality.jobs.importer.clashes import clashes, kept_keys
from dataquality.jobs.importer.document import ImportFile
from dataquality.jobs.importer.hashing import Hashes
from dataquality.jobs.importer.known import Known, known_after_seed, load
from dataquality.jobs.importer.problems import InvalidFile
from dataquality.jobs.importer.progress import Progress
from dataquality.jobs.importer.write import Summary, Writer
from dataquality.jobs.migrate import lock_database
from dataquality.jobs.seed import seed
from dataquality.model import AuditEntry, Base

# The audit trail is append only, and run ids are never given out twice.
_KEPT_TABLES = {"audit", "runcounter"}
_LOCK_SECONDS = 60


@dataclass(frozen=True)
class ImportJob:
    """One file into one database. `drop_all`: instead of what is there, not in addition to it."""

    file: ImportFile
    pepper: str
    drop_all: bool
    progress: Progress

    async def run(self, engine: AsyncEngine) -> Summary:
        """Do it. Raises InvalidFile before anything is written, and leaves the database as it was when it fails."""
        known = await self._known(engine)
        self._refuse_problems(known)
        hashes = Hashes()
        hashes.add_missing(self.file, known, self._key_id, self.progress)
        async with engine.begin() as connection:
            return await connection.run_sync(self._write, hashes)

    async def _known(self, engine: AsyncEngine) -> Known:
        if self.drop_all:
            return known_after_seed()
        async with engine.connect() as connection:
            return await connection.run_sync(self._load)

    def _load(self, connection: Connection) -> Known:
        key_ids = {self._key_id(participant.api_key.value) for _, participant in self.file.participants}
        return load(connection, self.file, key_ids)

    def _refuse_problems(self, known: Known) -> None:
        problems = [*self.file.problems, *clashes(self.file, known, self._key_id)]
        if problems:
            raise InvalidFile(problems)

    def _write(self, connection: Connection, hashes: Hashes) -> Summary:
        lock_database(connection, _LOCK_SECONDS)
        if self.drop_all:
            self._drop_all(connection)
        # Somebody may have changed something since we looked: now nobody can.
        known = self._load(connection)
        self._refuse_problems(known)
        hashes.add_missing(self.file, known, self._key_id, self.progress)
        for name in kept_keys(self.file, known):
            self.progress.note(f"the organization {name!r} keeps the public key that it has now")
        writer = Writer(connection, self.file, known, hashes, self._key_id, self.progress)
        summary = writer.write()
        if summary.created or self.drop_all:
            self._record(connection, summary)
        return summary

    def _drop_all(self, connection: Connection) -> None:
        self.progress.note("deleting all that the database holds")
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in _KEPT_TABLES:
                connection.execute(delete(table))
        seed(connection, hash_password)

    def _record(self, connection: Connection, summary: Summary) -> None:
        detail = {"drop_all": self.drop_all, **summary.to_json()}
        connection.execute(insert(AuditEntry).values(actor_type="operator", action="batch import", detail=detail))

    def _key_id(self, api_key: str) -> str:
        return api_key_id(api_key, self.pepper)
