"""Real clients and nodes that nobody here wrote, each version in an environment of its own.

The environments are made at first use in the user's cache folder, with the machine's own pip and its configuration.
"""

import fcntl
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

from support.gateway import HOST, Server
from support.zygotes import ClientProcess, Zygote

SECONDS = 120
"""For what no time would heal: only that it is not there at all is a failure."""


@dataclass(frozen=True)
class _Recipe:
    pythons: tuple[tuple[int, int], ...]
    requirements: tuple[str, ...]


def _packages(version: str) -> tuple[str, ...]:
    return tuple(f"{name}=={version}" for name in ("vantage6", "vantage6-client", "vantage6-common", "vantage6-node"))


# The packages pin only what they name themselves; the rest is what was current then and still fits them.
_RECIPES = {
    "3.4.2": _Recipe(
        ((3, 7),),
        # The node's proxy needs Flask and does not say so: an old one, that lets it ask a GET for its JSON.
        (*_packages("3.4.2"), "python-socketio==5.5.0", "flask==2.0.3", "werkzeug==2.0.3"),
    ),
    "3.11.1": _Recipe(
        ((3, 10), (3, 11)),
        (
            *_packages("3.11.1"),
            "python-socketio[client]==5.7.2",
            "python-engineio==4.3.4",
            "websocket-client==1.5.0",
            "flask==2.2.5",
            "werkzeug==2.3.4",
            "numpy==1.24.2",
            "greenlet==2.0.2",
            "urllib3==1.26.14",
            "zope.interface==6.4",
            "setuptools==69.5.1",
        ),
    ),
}
VERSIONS = tuple(_RECIPES)


def run_client(version: str, script: str, *, server: Server, seconds: float = SECONDS, **arguments: Any) -> Any:
    """Run a script in the environment of that version; what it left in `answer`.

    The arguments are the script's variables. Raises AssertionError with the client's words when the script fails, or
    takes longer than `seconds` (a client tries a refused connection for ever).
    """
    with tempfile.TemporaryFile("w+", errors="replace") as words:
        process = _zygote(version).begin(_order(script, server, arguments), words)
        try:
            told = [json.loads(line) for line in process.read(seconds).splitlines()]
        except TimeoutError:
            process.send(signal.SIGKILL)
            raise AssertionError(f"The client took longer than {seconds} s:\n{_read(words)[-4000:]}") from None
        assert told[-1:] == [{"ended": 0}], f"The client's script failed ({told[-1:]}):\n{_read(words)[-6000:]}"
    _hold_to_the_rules(told)
    return told[-2]["answer"]


def _read(words: IO[str]) -> str:
    words.seek(0)
    return words.read()


def _hold_to_the_rules(told: list[Any]) -> None:
    flaws = [one["flaw"] for one in told if "flaw" in one]
    assert not flaws, "The server broke the rules for every reply:\n" + "\n".join(flaws)


class Party:
    """A script that runs beside the test, such as a node. `told` is all that it told so far."""

    def __init__(self, process: ClientProcess, log: Path) -> None:
        self.told: list[Any] = []
        self._process = process
        self._log = log
        self._news: queue.Queue[Any] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(process.lines(),), daemon=True)
        self._reader.start()

    def tells(self, fits: Callable[[Any], bool], seconds: float = SECONDS) -> Any:
        """The first thing told, from the beginning, that fits; waits for it."""
        for told in self.told:
            if fits(told):
                return told
        while True:
            told = self._next(seconds)
            if told is None:
                raise AssertionError(f"It did not tell that; it told {self.told} and said:\n{self.said[-6000:]}")
            self.told.append(told)
            if fits(told):
                return told

    @property
    def said(self) -> str:
        """The client's own words so far."""
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        """Ask it to end, and see that it does."""
        self._process.send(signal.SIGTERM)
        self._reader.join(15)
        if self._reader.is_alive():
            self._process.send(signal.SIGKILL)
        while (told := self._next(SECONDS)) is not None:
            self.told.append(told)
        _hold_to_the_rules(self.told)

    def _next(self, seconds: float) -> Any:
        """What is told next; None when nothing is told in that time, or any more."""
        try:
            return None if self._is_over else self._news.get(timeout=seconds)
        except queue.Empty:
            return None

    @property
    def _is_over(self) -> bool:
        return self._news.empty() and not self._reader.is_alive()

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._news.put(json.loads(line))
        self._news.put(None)


@contextmanager
def started_client(version: str, script: str, *, server: Server, folder: Path, **arguments: Any) -> Generator[Party]:
    """A script of a node that runs until the block ends; `folder` takes what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "client.log"
    with log.open("w") as words:
        process = _zygote(version, "vantage6.node").begin(_order(script, server, arguments), words)
    party = Party(process, log)
    try:
        yield party
    finally:
        party.end()


@cache
def _zygote(version: str, *modules: str) -> Zygote:
    return Zygote(python_of(version), _environment(), "vantage6.client", *modules)


def _environment() -> dict[str, str]:
    """Nothing of our own Python's, no proxy between a client and this machine, and no Docker engine on any machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DATAQUALITY_"))}
    return kept | {"NO_PROXY": "*", "PYTHONUNBUFFERED": "1", "DOCKER_HOST": "unix:///there/is/none"}


def _order(script: str, server: Server, arguments: dict[str, Any]) -> str:
    order = {"script": textwrap.dedent(script), "arguments": arguments}
    return json.dumps(order | {"host": f"http://{HOST}", "port": server.port})


def python_of(version: str) -> Path:
    """The interpreter of that version's environment, made at first use. Skips the test where no Python fits."""
    made = _made(version)
    if made is None:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in _RECIPES[version].pythons)
        pytest.skip(f"the real client {version} needs Python {wanted}, which was not found on PATH or with pyenv")
    # One failure is enough: an installation that cannot be had is not tried again for each test.
    assert isinstance(made, Path), made
    return made


@cache
def _made(version: str) -> Path | str | None:
    """The interpreter; None where no Python fits; what went wrong where the packages cannot be installed."""
    recipe = _RECIPES[version]
    base = next((found for wanted in recipe.pythons if (found := _find_python(wanted))), None)
    try:
        return base and _environment_of(base, recipe)
    except subprocess.CalledProcessError as error:
        return f"{error}\n{error.stdout}{error.stderr}"


def _environment_of(base: Path, recipe: _Recipe) -> Path:
    name = hashlib.sha256("\n".join([str(base), *recipe.requirements]).encode()).hexdigest()[:16]
    folder = _cache() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(base, recipe.requirements, folder)
    return folder / "bin" / "python"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataquality-tests"


def _build(base: Path, requirements: tuple[str, ...], folder: Path) -> None:
    """Make the environment aside, so that nobody ever meets half of one.

    Only its `bin/python` may be used: the scripts beside it name the folder in which it was made.
    """
    aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        _run(str(base), "-m", "venv", str(aside))
        _run(str(aside / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements)
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _run(*command: str) -> None:
    subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True)


def _find_python(wanted: tuple[int, int]) -> Path | None:
    name = f"python{wanted[0]}.{wanted[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which(name), *sorted(pyenv.glob(f"versions/{wanted[0]}.{wanted[1]}.*/bin/{name}"))]
    if sys.version_info[:2] == wanted:
        candidates.insert(0, sys.executable)
    return next((Path(found) for found in candidates if found and _is_usable(found, wanted)), None)


def _is_usable(python: str | Path, wanted: tuple[int, int]) -> bool:
    """A shim on PATH may lead nowhere, and a system's Python may come without `venv`."""
    question = f"import ensurepip, sys; sys.exit(sys.version_info[:2] != {wanted})"
    return subprocess.run([python, "-c", question], capture_output=True, check=False).returncode == 0
