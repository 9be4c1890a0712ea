"""A stack under the local driver whose parts can be hit: through supervisor's own list of processes."""

import contextlib
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import Engine

from support.databases import sync_engine
from support.faults.injector import PARTS
from support.local import Home, driver_of, new_home, processes_below, silent, wait_for
from support.processes import free_port
from vserver.stack.local.paths import Place
from vserver.stack.local.stack import LocalStack
from vserver.stack.local.supervisor import Supervisor
from vserver.stack.plan import Component, Plan


@dataclass
class LocalParts:
    """A running stack; see `injector.Parts`."""

    url: str
    place: Place
    names: tuple[str, ...] = PARTS

    def kill(self, part: str) -> None:
        self._signal(part, signal.SIGKILL)

    def freeze(self, part: str) -> None:
        self._signal(part, signal.SIGSTOP)

    def thaw(self, part: str) -> None:
        self._signal(part, signal.SIGCONT)

    def cut(self, part: str) -> None:
        pytest.fail(f"{part}: processes of one machine cannot be cut off from one another")

    join = cut

    def flush(self) -> None:
        with contextlib.closing(self.redis_client()) as client:
            client.flushall()

    def redis_client(self) -> Any:
        """A connection to the stack's Redis."""
        return redis.Redis.from_url(self.redis_url)  # pyright: ignore[reportUnknownMemberType]

    def problems(self) -> list[str]:
        status = LocalStack(self.place).status()
        return [f"{one.name}: {one.detail}" for one in status.components if one.state not in ("running", "done")]

    @property
    def redis_url(self) -> str:
        """Where the stack's Redis is, with its password."""
        return self._secret("redis_url")

    def database(self) -> Engine:
        """The stack's database, as its owner: scenes change its tables."""
        return sync_engine(self._secret("owner_database_url", "migrate"))

    @contextmanager
    def stopped(self, part: str) -> Generator[None]:
        """A part that is killed, and not brought back before the block ends."""
        supervisor = Supervisor(self.place.socket)

        def is_stopped() -> bool:
            # One that has died and is not begun again yet cannot be stopped: it would come back.
            supervisor.stop(part)
            return supervisor.processes()[part].state == "STOPPED"

        self.kill(part)
        wait_for(is_stopped, 60)
        try:
            yield
        finally:
            supervisor.start(part)

    @contextmanager
    def hands_tied(self, part: str) -> Generator[None]:
        """The processes that a part's main one has made stand still until the block ends."""
        hands = self._processes(part)[1:]
        for process in hands:
            process.suspend()
        try:
            yield
        finally:
            for process in hands:
                process.resume()

    @contextmanager
    def restarted_with(self, part: str, variables: Mapping[str, str]) -> Generator[None]:
        """A part killed and back with these in its environment beside its own; afterwards it is as before."""
        script = self.place.script(part)
        before = script.read_text()
        head, _, command = before.rstrip("\n").rpartition("\n")
        more = "".join(f"{name}={value} \\\n" for name, value in variables.items())
        script.write_text(f"{head}\n{more}{command}\n")
        try:
            self.restart(part)
            yield
        finally:
            script.write_text(before)
            self.kill(part)

    def restart(self, part: str) -> None:
        """Kill a part, and wait until it is back."""
        before = Supervisor(self.place.socket).processes()[part].pid
        self.kill(part)
        wait_for(lambda: Supervisor(self.place.socket).processes()[part].pid not in (None, before), 60)
        wait_for(lambda: not self.problems(), 60)

    def _secret(self, name: str, part: str = "worker") -> str:
        return (self.place.secrets / part / name).read_text().strip()

    def _signal(self, part: str, what: signal.Signals) -> None:
        for process in self._processes(part):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(what)

    def _processes(self, part: str) -> list[psutil.Process]:
        pid = Supervisor(self.place.socket).processes()[part].pid
        if pid is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(pid)
            return [main, *main.children(recursive=True)]
        return []


@contextmanager
def local_stack(keys: str, variables: Mapping[str, Mapping[str, str]]) -> Generator[LocalParts]:
    """A stack of its own under the local driver, with these keys in its configuration; nothing of it is left.

    `variables` of a part stand in its environment beside its own, or in place of them.
    """
    with new_home() as home, _at_home(home):
        name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\n{keys}")
        driver, found = driver_of(home, name)
        started = driver.start(_with_variables(driver.plan(), variables), silent)
        assert started.address is not None
        instance = found.instance
        place = Place(instance.id, instance.data_folder, instance.log_folder)
        try:
            yield LocalParts(started.address.rpartition("/")[0], place, _names(place))
        finally:
            _let_go(home)
            driver.stop(silent)


@contextmanager
def _at_home(home: Home) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in home.variables.items():
            patch.setenv(variable, value)
        yield


def _with_variables(plan: Plan, variables: Mapping[str, Mapping[str, str]]) -> Plan:
    def changed(component: Component) -> Component:
        return replace(component, environment={**component.environment, **variables.get(component.name, {})})

    return replace(plan, components=tuple(map(changed, plan.components)))


def _names(place: Place) -> tuple[str, ...]:
    known = Supervisor(place.socket).processes()
    return tuple(part for part in PARTS if part in known)


def _let_go(home: Home) -> None:
    """No process stays frozen, whatever broke off the run."""
    for process in processes_below(home.folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
