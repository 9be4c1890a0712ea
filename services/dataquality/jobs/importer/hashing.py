"""Slow hashes of passwords and of API keys that are no random UUIDs: made beforehand, at a low priority."""

import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from dataquality.core.keys import needs_slow_hash
from dataquality.core.passwords import hash_password, hashing_threads
from dataquality.jobs.importer.plan import Plan
from dataquality.jobs.importer.progress import Progress

_NICENESS = 10
_HashByName = dict[str, str]
_NO_PASSWORD = ""


@dataclass(frozen=True)
class Hashes:
    """Of users' passwords by username (two equal passwords have two hashes), and of API keys by key."""

    passwords: _HashByName = field(default_factory=_HashByName)
    keys: _HashByName = field(default_factory=_HashByName)

    def password(self, username: str) -> str:
        """The user's hash. That of a user without a password is of a random text that is known to nobody."""
        return self.passwords.get(username) or self.passwords[_NO_PASSWORD]

    def add_missing(self, plan: Plan, progress: Progress) -> None:
        """Hash what is to be stored of new users and nodes, unless it is hashed already."""
        passwords = {user.username.value: user.password.value for _, user in plan.users if user.password.value}
        if len(passwords) < len(plan.users):
            passwords[_NO_PASSWORD] = secrets.token_urlsafe(32)
        keys = {node.api_key.value for _, node in plan.nodes if node.api_key.value}
        new_keys = {key for key in keys if needs_slow_hash(key)} - self.keys.keys()
        new_users = passwords.keys() - self.passwords.keys()
        _hash("passwords", {name: passwords[name] for name in new_users}, self.passwords, progress)
        _hash("api keys", {key: key for key in new_keys}, self.keys, progress)


def _hash(kind: str, wanted: _HashByName, hashes: _HashByName, progress: Progress) -> None:
    with ThreadPoolExecutor(hashing_threads(), initializer=_give_way) as pool:
        running = {pool.submit(hash_password, secret): name for name, secret in wanted.items()}
        for done, future in enumerate(as_completed(running), start=1):
            hashes[running[future]] = future.result()
            progress.step(kind, done, len(wanted))


def _give_way() -> None:
    """Let this thread have only what the others leave: a server that hashes for sign-ins may run beside the import."""
    # Linux gives each thread a priority of its own.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
