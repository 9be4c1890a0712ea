"""Where an instance under the local driver keeps what is its own."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from vserver.errors import CommandError
from vserver.stack.secrets import KEPT

_LONGEST_SOCKET = 88
"""A Unix socket's path has room for 104 bytes; supervisor needs some of them for a temporary name."""
_LONGEST_NAME = "sockets/dispatch-999.sock"
_PLAIN = re.compile(r"[A-Za-z0-9_.\-~/]+")
"""What a path may hold that stands in the gateway's configuration."""


@dataclass(frozen=True)
class Place:
    """The folders and files of one instance."""

    instance: str
    data: Path
    log: Path

    @property
    def run(self) -> Path:
        """All that this driver writes for itself; may be deleted while the instance is stopped."""
        return self.data / "run"

    @property
    def kept_secrets(self) -> Path:
        """Secrets that must survive."""
        return self.data / KEPT

    @property
    def secrets(self) -> Path:
        """One folder of secrets for each component."""
        return self.run / "secrets"

    @property
    def postgres(self) -> Path:
        """The embedded Postgres' data."""
        return self.data / "postgres"

    @property
    def redis(self) -> Path:
        """Redis' data."""
        return self.data / "redis"

    @property
    def configuration(self) -> Path:
        """Names the configuration file that the instance was last started from."""
        return self.run / "configuration"

    @property
    def scripts(self) -> Path:
        """How each component is run: one shell script each, without any secret."""
        return self.run / "scripts"

    @property
    def mark(self) -> str:
        """Stands in the environment of every process of this instance, so that they are found whatever happens."""
        return f"{self.instance}:{_digest(self.data)}"

    @property
    def socket(self) -> Path:
        """Where supervisor listens."""
        usual = self.run / "supervisor.sock"
        return usual if len(os.fsencode(usual)) <= _LONGEST_SOCKET else self._short_folder / usual.name

    @property
    def sockets(self) -> Path:
        """Holds the socket of each service."""
        longest = self.run / _LONGEST_NAME
        fits = len(os.fsencode(longest)) <= _LONGEST_SOCKET and _PLAIN.fullmatch(str(longest))
        return longest.parent if fits else self._short_folder / "sockets"

    @property
    def _short_folder(self) -> Path:
        """For sockets whose paths would be too long."""
        return Path("/tmp") / f"vserver-{os.getuid()}-{_digest(self.data)}"  # noqa: S108

    def script(self, name: str) -> Path:
        """The script that runs a component, or checks it (`postgres-health`)."""
        return self.scripts / f"{name}.sh"

    def log_of(self, name: str) -> Path:
        """What a component's process wrote to its console."""
        return self.log / f"{self.instance}-{name}.log"

    def make(self) -> None:
        """Make the folders that are missing, closed to others; those that are there keep their modes."""
        for folder in (self.data, self.log):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.run, self.scripts, self.run / "home", self.redis):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self._short_folder in {self.socket.parent, self.sockets.parent}:
            _private(self._short_folder)
        _private(self.sockets)

    def remove_sockets(self) -> None:
        """Remove the sockets, and the folders that hold nothing else."""
        self.socket.unlink(missing_ok=True)
        for left in self.sockets.glob("*.sock"):
            left.unlink(missing_ok=True)
        for folder in (self.sockets, self._short_folder):
            if folder.is_dir():
                folder.rmdir()


def _private(folder: Path) -> None:
    """A folder of ours in a place where everyone may make one: it must be ours, and closed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise CommandError(f"{folder} belongs to someone else or is open to others", "Remove it and try again.")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:10]
