"""What a driver of a stack can do; `local` and `compose` are the two there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from vserver.errors import CommandError
from vserver.stack.logs import LogsWanted, OnLine
from vserver.stack.plan import ComponentName, Plan

DriverName = Literal["compose", "local"]
State = Literal["running", "unhealthy", "starting", "stopped", "failed", "orphaned", "done"]
Progress = Callable[[str], None]
"""Called with one short sentence a step ("starting Postgres"), for people."""


@dataclass(frozen=True)
class ComponentStatus:
    """How one component is; `detail` says why it is not running, when it is not."""

    name: ComponentName
    state: State
    detail: str = ""
    pid: int | None = None


@dataclass(frozen=True)
class StackStatus:
    """How an instance is. `running` when its gateway and all others are healthy."""

    driver: DriverName
    state: Literal["running", "degraded", "orphaned", "stopped"]
    components: tuple[ComponentStatus, ...] = ()
    address: str | None = None
    """Where the API answers, e.g. `http://127.0.0.1:5000/api`."""
    remedy: str = ""
    """The next useful command, when something is wrong."""


class Driver(Protocol):
    """Carries a plan out. Methods raise `CommandError` with cause and remedy; none leaves a stack half-started."""

    @property
    def name(self) -> DriverName:
        """Which of the two it is."""
        ...

    def plan(self, port: int | None = None, ip: str | None = None, image: str | None = None) -> Plan:
        """The plan of this driver's instance, with the options of `start` laid over the configuration."""
        ...

    def start(self, plan: Plan, progress: Progress) -> StackStatus:
        """Start what is not running and wait until all of it is healthy. A running stack is left alone."""
        ...

    def warnings(self, plan: Plan) -> tuple[str, ...]:
        """What the operator should know of how callers reach this plan, one sentence or two each."""
        ...

    def stop(self, progress: Progress) -> StackStatus:
        """Stop all of it in good order; the answer is how the instance was before."""
        ...

    def status(self) -> StackStatus:
        """How the instance is now; asks processes or the engine, never a file of ours alone."""
        ...

    def run_job(
        self,
        plan: Plan,
        module: str,
        arguments: Sequence[str],
        stdin: BinaryIO | None = None,
        on_line: Progress | None = None,
    ) -> int:
        """Run `python -m MODULE ARGUMENTS` once with the secrets and environment of `migrate`; its exit code.

        `on_line` gets each line of its standard error (progress, problems); its standard output is ours.
        """
        ...

    def secret_damage(self) -> CommandError | None:
        """What is wrong with the kept secrets, and what to do; None where all look whole. Asks no database."""
        ...

    def renew_secrets(self, plan: Plan, names: Sequence[str], progress: Progress) -> None:
        """Make secrets of a stopped instance anew, and let its database take them at the next start."""
        ...

    def run_at_terminal(self, plan: Plan, module: str) -> int:
        """Run `python -m MODULE` at our terminal, as `run_job` runs jobs, beside a stack that runs; its exit code."""
        ...

    def last_lines(self, component: ComponentName, count: int) -> list[str]:
        """The last lines that a component of a stack that was started wrote to its console."""
        ...

    def follow_logs(self, wanted: LogsWanted, on_line: OnLine) -> None:
        """Tell the lines of the logs until the stack ends. Ctrl-C is a KeyboardInterrupt, and ends nothing else."""
        ...

    def files(self) -> dict[str, str]:
        """Label to path or command: what this driver keeps where (compose file, its command, volumes ...)."""
        ...
