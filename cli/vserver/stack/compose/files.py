"""What the compose driver keeps on the host: its folders, and the two files that compose reads."""

import contextlib
import os
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vserver.stack.compose.context import version
from vserver.stack.compose.document import HIDDEN, OWN_ACCOUNT, Paths, compose_document_text
from vserver.stack.compose.engine import Project
from vserver.stack.secrets import KEPT

if TYPE_CHECKING:
    from vserver.config.instance import Instance


CONFIGURATION = "dataquality.configuration"
"""The label that says which configuration file a container was started from."""


def labels(instance: "Instance") -> dict[str, str]:
    """What every container of an instance carries, so that it can be found and told from others."""
    return {
        "dataquality.instance": instance.id,
        "dataquality.name": instance.name,
        "dataquality.environment": instance.environment,
        "dataquality.scope": instance.scope,
        CONFIGURATION: str(instance.configuration),
        "dataquality.version": version(),
    }


@dataclass(frozen=True)
class Files:
    """The files of one instance."""

    instance: "Instance"

    @property
    def folder(self) -> Path:
        """What compose reads; written anew at each start."""
        return self.instance.data_folder / "compose"

    @property
    def project(self) -> Project:
        """The compose project."""
        return Project(self.instance.id, self.folder / "compose.yaml")

    @property
    def kept(self) -> Path:
        """The secrets that must survive."""
        return self.instance.data_folder / KEPT

    @property
    def log(self) -> Path:
        """The log folder that the containers see: the standard one holds other instances' things too."""
        return self.instance.log_folder / self.instance.id

    @property
    def paths(self) -> Paths:
        """All of it as the document names it."""
        return Paths(
            data=str(self.instance.data_folder),
            log=str(self.log),
            kept=str(self.kept),
            caddyfile=str(self.folder / "Caddyfile"),
        )

    def account(self) -> tuple[int, int]:
        """Whom our containers run as: the owner of the data folder, and never root."""
        owner = self.instance.data_folder.stat()
        return OWN_ACCOUNT if owner.st_uid == 0 else (owner.st_uid, owner.st_gid)

    def make_folders(self) -> None:
        """Make what is missing; what is there keeps its mode."""
        self.instance.data_folder.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(exist_ok=True)
        for name in HIDDEN:
            (self.instance.data_folder / name).mkdir(mode=0o700, exist_ok=True)
        self.log.mkdir(parents=True, exist_ok=True)
        self._link_log()

    def write(self, document: dict[str, Any], caddyfile: str) -> None:
        """Write both files, each whole or not at all."""
        _write(self.folder / "Caddyfile", caddyfile)
        _write(self.project.file, compose_document_text(document, self._header()))

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """One change at a time; a second one waits for the first."""
        from vserver.stack.lock import only_one  # there is none on Windows before it is asked for

        with only_one(self.folder / ".lock"):
            yield

    def _header(self) -> str:
        command = " ".join(["docker", "compose", *Project(self.project.name, self.project.file).arguments(), "ps"])
        return (
            f"Written by vserver {version()} from {self.instance.configuration}.\n"
            "The next `vserver start` writes it anew: change the configuration instead.\n"
            f"By hand: {command}"
        )

    def _link_log(self) -> None:
        """The log is where `vserver files` says that it is, whichever driver writes it."""
        named, real = self.instance.log_file, self.log / self.instance.log_file.name
        with contextlib.suppress(OSError):  # without it the log is only one folder further down
            if named.is_file() and not named.is_symlink() and not real.exists():
                named.rename(real)
            if not named.exists() and not named.is_symlink():
                named.symlink_to(real.relative_to(named.parent))


def _write(path: Path, text: str) -> None:
    """Readable by all: the gateway runs as an account that owns nothing here. There is no secret in it."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    Path(aside).replace(path)
