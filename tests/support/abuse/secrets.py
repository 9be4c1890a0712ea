"""Damage to the secrets that an instance keeps, done and taken back."""

import os
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Damage = Literal["missing", "empty", "cut", "a second line", "not UTF-8", "swapped"]
SAID: Mapping[Damage, str] = {
    "missing": "missing",
    "empty": "empty",
    "cut": "cut: it has 20 characters of 43",
    "a second line": "has more than one line",
    "not UTF-8": "not text (UTF-8)",
    "swapped": "another secret: it holds what belongs in ",
}
"""What a refusal says of each."""


@dataclass(frozen=True)
class KeptSecrets:
    """The folder in which an instance keeps its secrets, while it is stopped."""

    folder: Path

    def names(self) -> list[str]:
        """All that were made for it; the address of a database is written anew from the configuration at each start."""
        found = {path.name for path in self.folder.iterdir() if not path.name.startswith(".")}
        return sorted(found - {"database_url"})

    def values(self) -> dict[str, str]:
        """What they hold."""
        return {name: (self.folder / name).read_text() for name in self.names()}

    @contextmanager
    def put_back_later(self) -> Generator[None]:
        """Whatever happens to the files in the block: afterwards they are as before."""
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        owner = self.folder.stat()
        try:
            yield
        finally:
            for path in set(self.folder.iterdir()) - before.keys():
                path.unlink()
            for path, content in before.items():
                path.write_bytes(content)
                path.chmod(0o600)
                os.chown(path, owner.st_uid, owner.st_gid)

    def damage(self, names: Sequence[str], how: Damage) -> None:
        """Damage these secrets."""
        values = {name: (self.folder / name).read_text() for name in names}
        turned = dict(zip(names, [values[name] for name in (*names[1:], names[0])], strict=True))
        for name, value in values.items():
            path = self.folder / name
            match how:
                case "missing":
                    path.unlink()
                case "empty":
                    path.write_text("\n")
                case "cut":
                    path.write_text(value[:20])
                case "a second line":
                    path.write_text(f"{value}\n{value}\n")
                case "not UTF-8":
                    path.write_bytes(b"\xff\xfe" + value.encode())
                case "swapped":
                    path.write_text(turned[name])

    def replace(self, names: Sequence[str]) -> None:
        """Put another instance's secrets in their places."""
        for name in names:
            (self.folder / name).write_text(secrets.token_urlsafe(32))

    def forget_fingerprints(self) -> None:
        """Remove the copy of the fingerprints: only the database has them now."""
        (self.folder / ".fingerprints.json").unlink()
