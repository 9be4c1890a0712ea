"""`vserver import`."""

import json as json_format
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from vserver.commands import options
from vserver.commands.output import Output, table
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment
    from vserver.stack.driver import Driver

_JOB = "dataquality.jobs.importer"
File = Annotated[
    Path, typer.Argument(metavar="FILE", readable=False, help="YAML file of organizations and collaborations.")
]
DropAll = Annotated[
    bool,
    typer.Option("--drop-all", help="Delete all that the database holds first; `allow_drop_all` must be true."),
]
Image = Annotated[str | None, typer.Option("-i", "--image", hidden=True, show_default=False)]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("import")(import_)


def import_(
    file: File,
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    drop_all: DropAll = False,
    driver: options.Driver = None,
    json: options.Json = False,
    image: Image = None,
    mount_src: options.MountSrc = None,
    keep: options.Keep = None,
) -> None:
    """Import organizations, users and collaborations from a file, all or nothing."""
    if image is not None:
        hint = "Leave it out: the import runs in the image that the server runs."
        raise CommandError("--image means nothing here", hint, ExitCode.USAGE)
    output = Output("import", json)
    with _opened(file) as content:
        instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
        running = _running(instance, loaded.settings, driver)
        counts = _run(output, running, content, str(file), drop_all)
    output.done(
        {"instance": instance.id, "file": str(file), "drop_all": drop_all, "imported": counts},
        _summary(instance, file, counts, output.seconds),
    )


@contextmanager
def _opened(file: Path) -> Generator[BinaryIO]:
    try:
        content = file.open("rb")
    except FileNotFoundError:
        hint = "Look at the spelling of its name."
        raise CommandError(f"{file}: there is no such file", hint, ExitCode.USAGE) from None
    except IsADirectoryError:
        raise CommandError(f"{file}: this is a folder", "Name a file in it.", ExitCode.USAGE) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is not valid"
        hint = "Check its owner and mode, or run the command as a user who may read it."
        raise CommandError(f"{file}: the file cannot be read: {reason}", hint, ExitCode.USAGE) from None
    with content:
        yield content


def _running(instance: "Instance", environment: "Environment", asked: str | None) -> "Driver":
    """The driver that runs the instance; a job needs its database."""
    from vserver.stack.choose import choose_driver, current_driver

    driver = choose_driver(instance, environment, asked) if asked else current_driver(instance, environment)
    state = "stopped" if driver is None else driver.status().state
    if driver is None or state in {"stopped", "orphaned"}:
        hint = f"Start it first: `{options.again('start', instance)}`."
        raise CommandError(f"{instance.id} is not running ({state})", hint)
    return driver


def _run(output: Output, driver: "Driver", content: BinaryIO, label: str, drop_all: bool) -> dict[str, Any]:
    said: list[str] = []

    def on_line(line: str) -> None:
        said.append(line)
        # Problems are told in the end, all together.
        if not line.startswith(f"{label}:"):
            output.step(line)

    arguments = ["-", "--label", label, *(["--drop-all"] if drop_all else [])]
    with _captured_output() as captured:
        code = driver.run_job(driver.plan(), _JOB, arguments, content, on_line)
    if code != ExitCode.OK:
        raise _failure(code, label, said)
    return _result(captured)


def _failure(code: int, label: str, said: list[str]) -> CommandError:
    exit_code = ExitCode.USAGE if code == ExitCode.USAGE else ExitCode.FAILED
    problems = [line for line in said if line.startswith(f"{label}:")]
    if not problems:
        reason = said[-1] if said else f"the job ended with {code}"
        return CommandError(f"{label} was not imported; nothing was changed: {reason}", None, exit_code)
    return CommandError(
        "\n".join([f"{label} cannot be imported; nothing was changed. What is wrong:", *problems]),
        "Correct these and import it again.",
        exit_code,
    )


@contextmanager
def _captured_output() -> Generator[list[str]]:
    """What jobs write to our standard output, which they inherit: filled in when the block ends."""
    import os
    import tempfile

    captured: list[str] = []
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile("w+b") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield captured
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            captured.extend(file.read().decode("utf-8", "replace").splitlines())


def _result(lines: list[str]) -> dict[str, Any]:
    """The job's last line of output."""
    try:
        return dict(json_format.loads(lines[-1]))
    except (IndexError, ValueError):
        raise CommandError("the import ended without saying what it did", None, ExitCode.FAULT) from None


def _summary(instance: "Instance", file: Path, counts: dict[str, Any], seconds: float) -> list[str]:
    rows = [(kind, str(count["created"]), str(count["unchanged"])) for kind, count in counts.items()]
    return [
        f"{file} is imported into {instance.id} ({seconds:.1f} s).",
        *table([("", "new", "there already"), *rows], "  "),
        "",
        "Next: sign in as one of the users, start the nodes with their API keys, and look at the server:",
        f"  {options.again('status', instance)}",
    ]
