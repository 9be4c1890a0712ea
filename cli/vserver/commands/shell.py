"""`vserver shell`."""

import io
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment
    from vserver.stack.driver import Driver

_JOB = "dataquality.jobs.shell"
Code = Annotated[
    str | None,
    typer.Option(
        "--command",
        metavar="CODE",
        help="Run this code instead, and show what its last line comes to. Others can see it in the list of "
        "processes: give code that holds a secret on standard input.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        "shell",
        epilog=options.examples(
            "vserver shell --name hospital",
            "vserver shell --name hospital --command 'db.Organization.get()'",
            "vserver shell --name hospital < changes.py",
        ),
    )(shell)


def shell(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    command: Code = None,
) -> None:
    """Work on a running server's database in Python: at a prompt, or with the code on standard input.

    `db` holds its organizations, users, tasks and so on; db.help() lists them. Exit code 1 when the code raises, and
    its own when it exits with one.
    """
    output = Output("shell", as_json=False)
    code = _code(command)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    driver = _running(instance, loaded.settings)
    raise typer.Exit(_prompt(output, driver, instance) if code is None else _run(driver, code))


def _code(command: str | None) -> bytes | None:
    """What is to be run; None for a prompt."""
    if command is not None:
        return command.encode()
    if not sys.stdin.isatty():
        return sys.stdin.buffer.read()
    if not sys.stdout.isatty():
        raise CommandError(
            "a prompt needs a terminal, and the output goes elsewhere",
            "Give the code with --command or on standard input.",
            ExitCode.USAGE,
        )
    return None


def _running(instance: "Instance", environment: "Environment") -> "Driver":
    from vserver.stack.choose import current_driver

    driver = current_driver(instance, environment)
    state = "stopped" if driver is None else driver.status().state
    if driver is None or state in {"stopped", "orphaned"}:
        hint = f"Start it first: `{options.again('start', instance)}`."
        raise CommandError(f"{instance.id} is not running ({state})", hint)
    return driver


def _prompt(output: Output, driver: "Driver", instance: "Instance") -> int:
    output.step(f"opening the database of {instance.id}")
    return driver.run_at_terminal(driver.plan(), _JOB)


def _run(driver: "Driver", code: bytes) -> int:
    """Not as words of a command line, which all may read."""
    sys.stdout.flush()
    return driver.run_job(driver.plan(), _JOB, ["-"], io.BytesIO(code), _tell)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
