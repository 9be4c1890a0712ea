"""Starting an instance of the local driver at boot: a systemd unit that calls `vserver`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vserver.account import VARIABLE, is_root
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance

_PASSED_ON = ("XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_DATA_DIRS", "XDG_DATA_HOME", "XDG_CACHE_HOME", VARIABLE)
"""By these an instance finds its files, so at boot they must say what they say now."""
_RUNNING = Path("/run/systemd/system")
_LINGER = Path("/var/lib/systemd/linger")


@dataclass(frozen=True)
class BootUnit:
    """The unit of one instance: the machine's for root, else the user's own."""

    instance: str
    folder: Path
    is_system: bool

    @property
    def file(self) -> Path:
        """The unit's file."""
        return self.folder / f"{self.instance}.service"

    @property
    def link(self) -> Path:
        """What makes systemd start it."""
        target = "multi-user.target.wants" if self.is_system else "default.target.wants"
        return self.folder / target / self.file.name

    @property
    def is_enabled(self) -> bool:
        """Whether systemd will start it at boot."""
        return self.file.exists() and self.link.is_symlink()

    def enable(self, text: str) -> list[str]:
        """Have the instance started at boot; what is left to do by hand."""
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text, encoding="utf-8")
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(self.file)
        return [*self._reload(), *self._lingering()]

    def disable(self) -> list[str]:
        """No longer have it started at boot; what runs goes on. What is left to do by hand."""
        self.link.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)
        return self._reload()

    def _reload(self) -> list[str]:
        command = ["systemctl", *([] if self.is_system else ["--user"]), "daemon-reload"]
        systemctl = shutil.which("systemctl")
        if systemctl is None or not _RUNNING.is_dir():
            return ["systemd is not running on this machine: the unit is written, and works where it is."]
        done = subprocess.run([systemctl, *command[1:]], capture_output=True, text=True, check=False)  # noqa: S603
        return [] if done.returncode == 0 else [f"Run `{' '.join(command)}`; it failed here: {done.stderr.strip()}"]

    def _lingering(self) -> list[str]:
        user = os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.getuid())
        if self.is_system or (_LINGER / user).exists():
            return []
        return [f"Your units start at boot only after `loginctl enable-linger {user}`; else when you log in."]


def boot_unit(instance: "Instance") -> BootUnit:
    """The unit of an instance. Raises `CommandError` where there is no systemd to be had."""
    if sys.platform != "linux":
        raise CommandError(
            "Starting at boot under the local driver needs systemd",
            f"Have `vserver start` called by what starts programs on {sys.platform}, or use `--driver compose`.",
            ExitCode.USAGE,
        )
    if is_root():
        return BootUnit(instance.id, Path("/etc/systemd/system"), is_system=True)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return BootUnit(instance.id, home / "systemd" / "user", is_system=False)


def unit_text(instance: "Instance", variables: Mapping[str, str]) -> str:
    """The text of the unit."""
    level = "--user" if instance.scope == "user" else "--system"
    which = ["--config", str(instance.configuration)] if instance.digest else ["--name", instance.name]
    options = [*which, "-e", instance.environment, level]
    passed = [f"Environment={_word(f'{name}={variables[name]}')}" for name in _PASSED_ON if variables.get(name)]
    return "\n".join(
        [
            "[Unit]",
            f"Description=dataquality server {instance.name} ({instance.environment})",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            *passed,
            f"ExecStart={_command(['start', *options, '--driver', 'local'])}",
            f"ExecStop={_command(['stop', *options])}",
            "TimeoutStartSec=300",
            "TimeoutStopSec=180",
            "",
            "[Install]",
            f"WantedBy={'multi-user' if is_root() else 'default'}.target",
            "",
        ]
    )


def _command(arguments: Sequence[str]) -> str:
    return " ".join(_word(word) for word in (sys.executable, "-m", "vserver", *arguments))


def _word(text: str) -> str:
    """One word as systemd reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
