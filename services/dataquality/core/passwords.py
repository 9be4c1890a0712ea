"""Passwords: argon2id at OWASP's parameters, in a bounded pool of its own; older hashes are still understood."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import ceil
from os import sched_getaffinity
from pathlib import Path

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dataquality.core.errors import TooManyRequests

# OWASP's minimum for argon2id: 19 MiB, two passes, one lane. argon2-cffi's own default costs five times as much.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_BCRYPT_PREFIXES = ("$2a$", "$2b$", "$2y$")


def hash_password(password: str) -> str:
    """An argon2id hash of the password, in the PHC string format."""
    return _hasher.hash(password)


def verify_password(hashed: str, password: str) -> bool:
    """True if `hashed` (argon2id, or bcrypt as the older server wrote it) is of this password."""
    try:
        if hashed.startswith(_BCRYPT_PREFIXES):
            # bcrypt knows 72 bytes only; the older server cut silently, and so its hashes must be checked.
            return bcrypt.checkpw(password.encode()[:72], hashed.encode())
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError, ValueError):
        return False


def needs_rehash(hashed: str) -> bool:
    """True if the hash is of another scheme or of other parameters than ours."""
    return hashed.startswith(_BCRYPT_PREFIXES) or _hasher.check_needs_rehash(hashed)


@lru_cache
def dummy_hash() -> str:
    """A hash that no password fits: checked when a user is unknown, so that the answer takes as long as otherwise."""
    return hash_password(secrets.token_urlsafe(32))


def hashing_threads(cores: int | None = None, cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many passwords one process hashes at once: on half of the cores that it may use, and on one at least.

    A container with a CPU limit (`cpu_max`) has as many cores as that allows, the last one in part.
    """
    cores = cores or len(sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        cores = min(cores, ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # no such file, or no limit in it ("max")
    return max(1, cores // 2)


class PasswordPool:
    """Hashes off the event loop, a few at a time. Whoever waits longer than `patience` seconds gets a 429."""

    def __init__(self, workers: int | None = None, patience: float = 5.0) -> None:
        workers = workers or hashing_threads()
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._places = asyncio.Semaphore(workers)
        self._patience = patience

    async def hash(self, password: str) -> str:
        """As `hash_password`."""
        async with _place(self._places, self._patience):
            return await asyncio.get_running_loop().run_in_executor(self._executor, hash_password, password)

    async def verify(self, hashed: str, password: str) -> bool:
        """As `verify_password`."""
        async with _place(self._places, self._patience):
            return await asyncio.get_running_loop().run_in_executor(self._executor, verify_password, hashed, password)

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class _place:
    """A place in the pool, or TooManyRequests."""

    def __init__(self, places: asyncio.Semaphore, patience: float) -> None:
        self._places = places
        self._patience = patience

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise TooManyRequests(
                "The server is busy checking other passwords. Try again in a few seconds.", retry_after=5
            ) from error

    async def __aexit__(self, *_: object) -> None:
        self._places.release()
