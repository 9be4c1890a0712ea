"""What tests of the local driver share: a home of their own, plans whose services are stubs, and what they look for."""

import contextlib
import dataclasses
import io
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from support.processes import as_account
from vserver.config.instance import Found, configuration_at, find_instance
from vserver.main import run
from vserver.stack.driver import StackStatus
from vserver.stack.local.driver import LocalDriver
from vserver.stack.plan import Component, NativeCheck, Plan, PythonModule

SUPPORT = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Home:
    """XDG folders for one test, which other accounts can enter as they can a real home."""

    folder: Path
    account: pwd.struct_passwd | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment that leads `vserver` here, and nothing of the developer's own."""
        return {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_CONFIG_DIRS": str(self.folder / "etc"),
            "XDG_DATA_DIRS": str(self.folder / "share"),
            "NO_COLOR": "1",
        }

    def configure(self, text: str, name: str | None = None, environment: str = "dev") -> str:
        """Write a user-level configuration with these keys in one environment; its name."""
        name = name or f"t{uuid.uuid4().hex[:8]}"
        folder = self.folder / "config" / "dataquality" / "server"
        folder.mkdir(parents=True, exist_ok=True)
        body = textwrap.indent(textwrap.dedent(text).strip(), "    ")
        (folder / f"{name}.yaml").write_text(f"environments:\n  {environment}:\n{body}\n")
        self.give()
        return name

    def give(self) -> None:
        """Everything here belongs to the account, when there is one."""
        if self.account is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    def vserver(
        self, *arguments: str, python: Path = Path(sys.executable), **more: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command as the home's owner."""
        return subprocess.run(
            [str(python), "-m", "vserver", *arguments],
            capture_output=True, text=True, check=False, timeout=300, cwd="/",
            env=self.variables | more, stdin=subprocess.DEVNULL, **as_account(self.account),
        )  # fmt: skip

    def here(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run the command in this process: a second's quarter less, where no account, signal or terminal matters."""
        assert self.account is None
        variables = self.variables | more
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            open(os.devnull) as nothing,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            for name in tuple(os.environ):
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", nothing)
            patch.chdir("/")
            code = run(arguments)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextmanager
def new_home(account: pwd.struct_passwd | None = None) -> Generator[Home]:
    """A home that is gone afterwards, with all that still runs in it."""
    folder = Path(tempfile.mkdtemp(prefix="vserver-test-"))
    folder.chmod(0o755)
    home = Home(folder, account)
    home.give()
    try:
        yield home
    finally:
        wait_for(lambda: not kill_below(folder), 60)
        shutil.rmtree(folder, ignore_errors=True)


def processes_below(folder: Path, module: str = "") -> list[psutil.Process]:
    """All processes that have to do with a folder: by where they work, by their words, or by their environment.

    Only those that run this module, if one is given: whoever asks each of them later may find it gone.
    """
    return [process for process, words in _with_words(folder) if not module or module in words]


def words_below(folder: Path) -> list[str]:
    """What others can see of these processes: their command lines and their environments."""
    return [word for _, words in _with_words(folder) for word in words]


def accounts_below(folder: Path) -> set[int]:
    """As whom these processes run."""
    return {uid for process, _ in _with_words(folder) for uid in _accounts(process)}


def kill_below(folder: Path) -> bool:
    """Whether there were such processes, which are killed; some are brought back by others until these are gone."""
    found = processes_below(folder)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return bool(found)


def _with_words(folder: Path) -> list[tuple[psutil.Process, list[str]]]:
    found: list[tuple[psutil.Process, list[str]]] = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            place, words = process.cwd(), [*process.cmdline(), *process.environ().values()]
        except (psutil.Error, OSError):
            continue
        if any(str(folder) in word for word in (place, *words)):
            found.append((process, words))
    return found


def _accounts(process: psutil.Process) -> list[int]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process.uids().effective]
    return []


def driver_of(home: Home, name: str) -> tuple[LocalDriver, Found]:
    """The local driver of a configuration of this home."""
    file = home.folder / "config" / "dataquality" / "server" / f"{name}.yaml"
    found = find_instance(None, configuration_at(file, "user").path, None, "user")
    return LocalDriver(found.instance, found.loaded.settings), found


def stubbed(plan: Plan, **modes: str) -> Plan:
    """The plan with its services replaced by `stub_service`; `modes` says how a component's stub behaves."""
    return dataclasses.replace(plan, components=tuple(_stub(part, modes.get(part.name)) for part in plan.components))


def _stub(component: Component, mode: str | None) -> Component:
    if not isinstance(component.program, PythonModule):
        return component
    return dataclasses.replace(
        component,
        program=PythonModule("stub_service", (mode or ("once" if component.once else "serve"),)),
        environment={**component.environment, "PYTHONPATH": str(SUPPORT)},
        health=component.health if component.port or component.socket else NativeCheck(),
    )


def silent(_: str) -> None:
    """Progress that nobody wants to see."""


def wait_for(what: Callable[[], bool], seconds: float = 60, pause: float = 0.2) -> None:
    """Return when `what` holds; fail after `seconds`. `pause`: seconds between two looks, more for costly ones."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"did not come true within {seconds} seconds"
        time.sleep(pause)


def pid_of(status: StackStatus, name: str) -> int:
    """The process id of a component."""
    pid = next(part.pid for part in status.components if part.name == name)
    assert pid is not None
    return pid


def modes_above(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of a folder and of all above it."""
    return {path: (status.st_mode, status.st_uid, status.st_gid)
            for path in (folder, *folder.parents) for status in [path.stat()]}  # fmt: skip
