"""`vserver attach`, and the logs behind `vserver start --attach`."""

import os
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.stack.driver import Driver
    from vserver.stack.logs import LogsWanted

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95)
_LINES = 10
_SGR = re.compile(r"\x1b\[[0-9;]*m")
"""Colours that a part gave its line by itself."""


def complete_service(incomplete: str) -> list[str]:
    """The parts of a server."""
    from vserver.stack.plan import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Show what was written since then: 90s, 15m, 2h, 1d, or a time such as 2026-01-31T12:00.",
        show_default=False,
    ),
]
Service = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="SERVICE",
        help="Show this part alone: auth, entity, dispatch, worker, gateway... May be repeated. Default: all.",
        show_default=False,
        autocompletion=complete_service,
    ),
]
Tail = Annotated[
    int | None,
    typer.Option(
        "--tail",
        metavar="N",
        min=0,
        help=f"Begin with the last N lines of each log. Default: {_LINES}; with --since all.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        "attach",
        epilog=options.examples(
            "vserver attach --name hospital",
            "vserver attach --name hospital --service dispatch --service worker --since 15m",
        ),
    )(attach)


def attach(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    service: Service = None,
    since: Since = None,
    tail: Tail = None,
) -> None:
    """Show the live logs of a running server, each part in its colour. Ctrl-C detaches: the server keeps running."""
    from vserver.commands.instances import the_running_one

    output = Output("attach", as_json=False)
    moment = None if since is None else _moment(since)
    instance, driver = the_running_one(options.Selection(name, config, environment, user), output.may_ask)
    show_logs(output, instance, driver, service or [], moment, tail)


def show_logs(
    output: Output,
    instance: "Instance",
    driver: "Driver",
    services: list[str],
    since: datetime | None = None,
    last: int | None = None,
) -> None:
    """Show logs until Ctrl-C, or until the server stops."""
    from vserver.stack.logs import LogsWanted

    lines = last if last is not None or since is not None else _LINES
    wanted = LogsWanted(_components(driver, services), since, lines)
    stop = options.again("stop", instance)
    output.note(f"the logs of {instance.id}; Ctrl-C detaches, and the server keeps running")
    try:
        driver.follow_logs(wanted, _Console(wanted).write)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        output.note(f"detached; {instance.id} keeps running. `{stop}` stops it.")
    except BrokenPipeError:
        # Whoever read has seen enough, as in `vserver attach | head`; what is left must not fail at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        output.note(f"{instance.id} has stopped; `{options.again('start', instance)}` starts it.")


class _Console:
    """Lines on standard output, with the name of the part before each; in colours at a terminal."""

    def __init__(self, wanted: "LogsWanted") -> None:
        self._width = max(map(len, wanted.components))
        self._is_terminal = sys.stdout.isatty()
        has_colours = self._is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        numbers = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(wanted.components)}
        self._colours = numbers if has_colours else {}

    def write(self, name: str, line: str) -> None:
        """One line."""
        head = f"{name:{self._width}} |"
        if name in self._colours:
            head = f"\x1b[{self._colours[name]}m{head}\x1b[0m"
        plain = _SGR.sub("", line)
        sys.stdout.write(f"{head} {_harmless(plain) if self._is_terminal else plain}\n")
        sys.stdout.flush()


def _harmless(line: str) -> str:
    """What a caller got into a log must not steer the terminal of whoever reads it."""
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in line)


def _components(driver: "Driver", services: list[str]) -> tuple[str, ...]:
    """The parts that are meant; a kind stands for all of that kind (dispatch: dispatch-2 as well)."""
    from vserver.config.text import nearest
    from vserver.stack.plan import in_starting_order, kind_of

    there = [part.name for part in driver.status().components]
    chosen: set[str] = set() if services else set(there)
    for service in services:
        found = {name for name in there if service in (name, kind_of(name))}
        if not found:
            close = nearest(service, there)
            hint = f"Did you mean {close}?" if close else f"There are: {', '.join(there)}."
            raise CommandError(f"--service {service}: this server has no such part", hint, ExitCode.USAGE)
        chosen |= found
    return tuple(sorted(chosen, key=in_starting_order))


def _moment(text: str) -> datetime:
    """When a span before now began, or a time as it is written (without a zone: of this machine's)."""
    from datetime import UTC, timedelta

    spans = re.fullmatch(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", text)
    if text and spans:
        days, hours, minutes, seconds = (int(part or 0) for part in spans.groups())
        return datetime.now(UTC) - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(
            f"--since: '{text}' is no time", "Give a span such as 15m or 2h, or 2026-01-31T12:00.", ExitCode.USAGE
        ) from None
