"""Slow hashes of passwords and of API keys that are no random UUIDs: made beforehand, on all cores."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from os import cpu_count

from dataquality.core.keys import needs_slow_hash
from dataquality.core.passwords import hash_password
from dataquality.jobs.importer.clashes import KeyId
from dataquality.jobs.importer.document import ImportFile
from dataquality.jobs.importer.known import Known
from dataquality.jobs.importer.progress import Progress

_HashByName = dict[str, str]


@dataclass(frozen=True)
class Hashes:
    """Of users' passwords by username (two equal passwords have two hashes), and of API keys by key."""

    passwords: _HashByName = field(default_factory=_HashByName)
    keys: _HashByName = field(default_factory=_HashByName)

    def add_missing(self, file: ImportFile, known: Known, key_id: KeyId, progress: Progress) -> None:
        """Hash what is to be stored of users and nodes that are not known, unless it is hashed already."""
        passwords = {user.username.value: user.password.value for _, user in file.users}
        new_users = passwords.keys() - known.users.keys() - self.passwords.keys()
        keys = {participant.api_key.value for _, participant in file.participants}
        new_keys = {key for key in keys if needs_slow_hash(key) and key_id(key) not in known.keys} - self.keys.keys()
        _hash("passwords", {name: passwords[name] for name in new_users}, self.passwords, progress)
        _hash("api keys", {key: key for key in new_keys}, self.keys, progress)


def _hash(kind: str, wanted: _HashByName, hashes: _HashByName, progress: Progress) -> None:
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        running = {pool.submit(hash_password, secret): name for name, secret in wanted.items()}
        for done, future in enumerate(as_completed(running), start=1):
            hashes[running[future]] = future.result()
            progress.step(kind, done, len(wanted))
