"""One instance as processes of this machine: started, looked at, stopped. Runs with the rights of its own account."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from vserver.errors import CommandError, ExitCode
from vserver.stack import processes, published_port
from vserver.stack.driver import ComponentStatus, Progress, StackStatus
from vserver.stack.local import checks, ports, prepare, supervisor
from vserver.stack.local.dependency_order import GivenUpError, in_order
from vserver.stack.local.job import Job
from vserver.stack.local.paths import Place
from vserver.stack.local.postgres import run_statements
from vserver.stack.local.programs import Runtime, environment
from vserver.stack.local.supervisor import NoSupervisorError, ProcessInfo, Supervisor
from vserver.stack.lock import only_one
from vserver.stack.placement import STORES, Store
from vserver.stack.plan import Component, Plan, Postgres
from vserver.stack.secrets import REFUSED, refusal, renew_kept, renewing_statements
from vserver.stack.tail import last_lines

START_SECONDS = 90
"""A component that is not healthy by then has failed to start."""
RECOVERY_SECONDS = 15
"""Supervisor brings a killed component back well within this time."""
_TRIES = 3
_STOP_SECONDS = 75
_ASK_AGAIN_SECONDS = 2
_PAUSE = 0.1


@dataclass(frozen=True)
class LocalStack:
    """The stack of one instance."""

    place: Place

    def choose_ports(self, published: int) -> dict[Store, int]:
        """The ports of the servers of data: those they have while they run, else those they had, else new ones."""
        self.place.make()
        file = self.place.run / "ports.json"
        with only_one(self._lock):
            kept = ports.kept_ports(file)
            is_whole = kept.keys() >= set(STORES)
            return kept if is_whole and self._processes() else ports.keep_ports(file, published)

    def names(self) -> list[str]:
        """The components of the last start."""
        return [item.name for item in checks.load(self._watches)[1]]

    def start(self, plan: Plan, runtime: Runtime, progress: Progress) -> StackStatus:
        """Start the plan and wait until all of it is healthy; a running stack is left alone."""
        self.place.make()
        with only_one(self._lock):
            now = self._settled()
            if now.state == "running":
                return now
            if now.state != "stopped":
                progress("ending what is left of the last run")
                self._end_all()
            self._start(plan, runtime, progress)
            return self.status()

    def run_job(self, plan: Plan, runtime: Runtime, work: Callable[[], int], progress: Progress) -> int:
        """Do `work` while its database and Redis run; where nothing runs, they are started for it and stopped again."""
        self.place.make()
        with only_one(self._lock):
            now = self.status().state
            if now in {"stopped", "orphaned"}:
                self._end_all()
                self._start(_needed_by_jobs(plan), runtime, progress)
                try:
                    return work()
                finally:
                    self._end_all()
        return work()

    def renew_secrets(
        self, plan: Plan, runtime: Runtime, names: Sequence[str], forget: Job, progress: Progress
    ) -> None:
        """Make secrets anew while nothing runs; `forget` makes a database that is not ours forget the old ones."""
        self.place.make()
        with only_one(self._lock):
            if self.status().state != "stopped":
                raise CommandError("Secrets are renewed while the server is stopped", "`vserver stop` it first.")
            renew_kept([str(runtime.python)], self._kept, plan.secrets, names)
            prepare.lay_secrets(plan, self.place, runtime)
            own = [part.program for part in plan.components if isinstance(part.program, Postgres)]
            if own and (self.place.postgres / "PG_VERSION").exists():
                run_statements(self.place, runtime, own[0], renewing_statements(own[0].user, self._kept, names))
            elif not own and forget.run(None, progress) != 0:
                raise CommandError("The database could not be told of the new secrets", "Run the command again.")

    def stop(self, progress: Progress) -> StackStatus:
        """Stop all of it; answers how it was before."""
        if not self.place.run.is_dir():
            return self.status()
        with only_one(self._lock):
            before = self.status()
            if before.state != "stopped":
                progress("stopping")
            self._end_all()
            return before

    def status(self) -> StackStatus:
        """How it is now, by supervisor and by the processes that there really are."""
        address, watches = checks.load(self._watches)
        try:
            running = self._supervisor.processes()
        except NoSupervisorError:
            return self._without_supervisor()
        with ThreadPoolExecutor(max_workers=max(1, len(watches))) as pool:
            infos = [running.get(item.name) for item in watches]
            components = tuple(pool.map(self._component, watches, infos))
        good = all(component.state in {"running", "done"} for component in components) and bool(components)
        return StackStatus(
            "local",
            "running" if good else "degraded",
            components,
            address,
            "" if good else f"See the logs in {self.place.log}; `vserver start` puts it right.",
        )

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self.place.socket)

    @property
    def _kept(self) -> Path:
        return self.place.kept_secrets

    @property
    def _lock(self) -> Path:
        return self.place.run / "lock"

    @property
    def _watches(self) -> Path:
        return self.place.run / "watches.json"

    def _processes(self) -> list[processes.Process]:
        return processes.of_instance(self.place.mark, (self.place.postgres, self.place.redis))

    def _without_supervisor(self) -> StackStatus:
        left = self._processes()
        if not left:
            return StackStatus("local", "stopped", remedy="`vserver start` starts it.")
        return StackStatus(
            "local",
            "orphaned",
            processes.as_components(left),
            remedy="The supervisor of these processes is gone: `vserver start` or `vserver stop` puts it right.",
        )

    def _component(self, watched: checks.Watch, info: ProcessInfo | None) -> ComponentStatus:
        if watched.how == "once":
            return ComponentStatus(watched.name, "done")
        if info is None:
            return ComponentStatus(watched.name, "stopped", "supervisor does not know it")
        match info.state:
            case "RUNNING" | "STARTING":
                wrong = checks.problem(watched, self.place)
                return ComponentStatus(watched.name, "unhealthy" if wrong else "running", wrong or "", info.pid)
            case "BACKOFF":
                return ComponentStatus(watched.name, "starting", info.detail)
            case "STOPPED" | "STOPPING":
                return ComponentStatus(watched.name, "stopped", info.detail)
            case "EXITED" | "FATAL" | "UNKNOWN":
                return ComponentStatus(watched.name, "failed", info.detail)

    def _settled(self) -> StackStatus:
        """How it is, once a component that was just killed has had the time to come back."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (now := self.status()).state == "degraded" and time.monotonic() < deadline:
            time.sleep(0.5)
        return now

    def _start(self, plan: Plan, runtime: Runtime, progress: Progress) -> None:
        published = [component.published for component in plan.components if component.published]
        for gateway in published:
            published_port.check_free(gateway)
        prepare.tidy(self.place)
        self.place.make()
        try:
            prepare.lay_out(plan, self.place, runtime, progress)
            checks.save(self._watches, map(checks.watch, plan.components), _address(plan))
            supervisor.launch(runtime.python, self.place.run, environment(self.place, runtime))
            in_order(plan.components, lambda component, stop: self._bring_up(component, stop, progress))
        except BaseException as error:
            # Whatever happened, Ctrl-C included: nothing may be left half-started.
            progress("stopping what was started")
            self._end_all()
            if isinstance(error, NoSupervisorError):
                raise CommandError("Supervisor ended while the stack was starting", "Start it again.") from error
            raise

    def _bring_up(self, component: Component, stop: threading.Event, progress: Progress) -> None:
        if component.once:
            self._run_once(component, stop, progress)
            return
        self._supervisor.start(component.name)
        self._wait_until_healthy(component, stop)
        progress(f"{component.name} is ready")

    def _run_once(self, component: Component, stop: threading.Event, progress: Progress) -> None:
        code = prepare.run_once(component, self.place, stop)
        if code is None:
            raise GivenUpError
        if code == REFUSED and (refused := refusal(last_lines(self.place.log_of(component.name), 30))):
            raise refused
        if code != 0:
            raise self._failure(component, f"ended with exit code {code}")
        progress(f"{component.name} is done")

    def _wait_until_healthy(self, component: Component, stop: threading.Event) -> None:
        watched = checks.watch(component)
        deadline = time.monotonic() + START_SECONDS
        pids: set[int] = set()
        wrong: str | None = "has not started yet"
        while time.monotonic() < deadline:
            if stop.wait(_PAUSE):
                raise GivenUpError
            info = self._supervisor.processes()[component.name]
            if info.pid:
                pids.add(info.pid)
                wrong = checks.problem(watched, self.place)
                if wrong is None:
                    return
            if len(pids) >= _TRIES and not info.pid:
                raise self._failure(component, "ends again and again")
        raise self._failure(component, f"is not healthy after {START_SECONDS} seconds: {wrong}", ExitCode.TIMED_OUT)

    def _failure(self, component: Component, what: str, code: ExitCode = ExitCode.FAILED) -> CommandError:
        log = self.place.log_of(component.name)
        said = "\n".join(f"  {line}" for line in last_lines(log, 15))
        return CommandError(
            f"{component.name} {what}. It said last:\n{said}" if said else f"{component.name} {what}",
            f"Its whole log is {log}. Nothing was left running; mend the cause and `vserver start` again.",
            code,
        )

    def _end_all(self) -> None:
        """In good order while supervisor answers, and surely in any case."""
        with contextlib.suppress(NoSupervisorError):
            self._stop_in_order()
            self._supervisor.shutdown(_STOP_SECONDS)
        for _ in range(_TRIES):
            left = self._processes()
            if not left:
                break
            processes.end(left, seconds=15)
        left = self._processes()
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise CommandError(f"These processes of the instance do not end: {pids}", "End them by hand with kill -9.")
        prepare.tidy(self.place)

    def _stop_in_order(self) -> None:
        """What stands on others goes first, so that each can still finish its work."""
        names = list(self._supervisor.processes())
        first = [name for name in names if name == "gateway"]
        last = [name for name in names if name in {"postgres", "redis"}]
        middle = [name for name in names if name not in {*first, *last}]
        for wave in (first, middle, last):
            for name in wave:
                self._supervisor.stop(name)
            self._wait_until_stopped(wave)

    def _wait_until_stopped(self, names: Sequence[str]) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        again = time.monotonic() + _ASK_AGAIN_SECONDS
        while time.monotonic() < deadline:
            known = self._supervisor.processes()
            left = [name for name in names if known[name].pid is not None]
            if not left:
                return
            if time.monotonic() > again:
                again = time.monotonic() + _ASK_AGAIN_SECONDS
                for name in left:
                    self._supervisor.stop_again(name)
            time.sleep(_PAUSE)


def _needed_by_jobs(plan: Plan) -> Plan:
    job = plan.component("migrate")
    return replace(plan, components=tuple(part for part in plan.components if part.name in {*job.needs, job.name}))


def _address(plan: Plan) -> str | None:
    """Where the API answers, seen from this machine; None for a plan without a gateway."""
    gateway = next((component.published for component in plan.components if component.published), None)
    if gateway is None:
        return None
    host = checks.reached_at(gateway.ip)
    path = plan.component("auth").environment["DATAQUALITY_API_PATH"]
    return f"http://{f'[{host}]' if ':' in host else host}:{gateway.port}{path}"
