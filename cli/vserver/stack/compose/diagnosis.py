"""Why a stack cannot start, in words that say what to do."""

import errno
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from vserver.errors import CommandError, ExitCode
from vserver.stack.compose.document import SECRETS
from vserver.stack.compose.engine import Container, Engine
from vserver.stack.plan import Plan, Published
from vserver.stack.published_port import try_listening
from vserver.stack.secrets import REFUSED, refusal

_LOG_LINES = 12
_WAIT_SECONDS = 300
_SEE_LOGS = "See what they say with `docker compose logs`; `vserver files` has the exact command for this stack."
_RESTARTS = 5
_TICK_SECONDS = 2.0


def check_port(engine: Engine, plan: Plan, project: str, before: Sequence[Container]) -> None:
    """Raise `CommandError` where the published address cannot be had, naming who holds it."""
    published = plan.component("gateway").published
    if published is None or any(one.service == "gateway" and one.state == "running" for one in before):
        return
    try:
        try_listening(published)
    except OSError as error:
        _judge(engine, published, project, error)


def _judge(engine: Engine, published: Published, project: str, error: OSError) -> None:
    if error.errno == errno.EADDRINUSE:
        raise CommandError(
            f"port {published.port} is held by {_holder(engine, published.port, project)}",
            "End that program, or choose another port with `-p` or the configuration's key `port`.",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        raise CommandError(
            f"this machine has no address {published.ip}",
            "Give one that it has with `--ip` or the key `ip`; 0.0.0.0 stands for all of them.",
            ExitCode.USAGE,
        )
    # Anything else is a right that we lack; the engine, which opens the port, may well have it.


def _holder(engine: Engine, port: int, project: str) -> str:
    for found in engine.publishing(port):
        instance = found.labels.get("dataquality.instance")
        if instance and instance != project:
            return f"the instance {instance} (container {found.name})"
        return f"the container {found.name}"
    from vserver.stack.processes import holder

    return str(holder(port) or "another program")


@dataclass
class Watch:
    """Called while compose waits; ends the wait when its time is over, or for a container that dies again and again.

    Compose itself would wait for such a one for ever: each restart begins a new health check.
    """

    engine: Engine
    project: str
    known: dict[str, int] = field(default_factory=dict[str, int])
    last: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        if time.monotonic() - self.last < _TICK_SECONDS:
            return
        self.last = time.monotonic()
        containers = self.engine.containers(self.project)
        for found in containers:
            restarts = found.restarts - self.known.setdefault(found.name, found.restarts)
            if restarts >= _RESTARTS:
                raise _with_log(
                    self.engine, found, f"{found.service} ends with exit code {found.exit_code} again and again"
                )
        if self.last - self.began > _WAIT_SECONDS:
            raise _too_late(containers) or CommandError(f"not ready after {_WAIT_SECONDS} s", _SEE_LOGS)


def failure(engine: Engine, project: str, plan: Plan, said: Sequence[str]) -> CommandError:
    """What went wrong after `up` has failed: the first component that did, with the end of its log."""
    containers = {one.service: one for one in engine.containers(project)}
    for name in (SECRETS, *(component.name for component in plan.components)):
        found = containers.get(name)
        if found is not None and found.exit_code == REFUSED and (refused := refusal(engine.logs(found.name, 40))):
            return refused
        if found is not None and (trouble := _trouble(found)):
            return _with_log(engine, found, trouble)
    last = [line.strip() for line in said if line.strip()][-3:]
    return CommandError("\n".join(["docker compose could not start the stack:", *last]))


def _too_late(containers: Sequence[Container]) -> CommandError | None:
    late = sorted(one.service for one in containers if one.health not in (None, "healthy") or one.state == "created")
    message = f"not healthy after {_WAIT_SECONDS} s: {', '.join(late)}"
    return CommandError(message, _SEE_LOGS, ExitCode.TIMED_OUT) if late else None


def _trouble(found: Container) -> str | None:
    if found.state in ("exited", "dead") and found.exit_code != 0:
        return f"{found.service} ended with exit code {found.exit_code}"
    if found.state == "restarting":
        return f"{found.service} ends with exit code {found.exit_code} again and again"
    if found.restarts and found.health != "healthy":
        # Between two ends: it runs again for a moment, and what it ended with is forgotten.
        return f"{found.service} ends again and again"
    return f"{found.service} did not become healthy" if found.health == "unhealthy" else None


def _with_log(engine: Engine, found: Container, trouble: str) -> CommandError:
    lines = [line for line, _ in itertools.groupby(engine.logs(found.name, _LOG_LINES))]
    return CommandError("\n".join([f"{trouble}; the end of its log:", *(f"  {line}" for line in lines)]), _hint(lines))


def _hint(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    if "password authentication failed" in text:
        return (
            "The database was made with another password than the one in the secrets folder that `vserver files` "
            "names: put that folder back from a backup, or correct the configuration's `uri`."
        )
    if "Permission denied" in text or "readonly database" in text:
        return "The instance's folders (`vserver files`) must belong to the account that the containers run as."
    return "Put right what the log says, then run the same command again."
