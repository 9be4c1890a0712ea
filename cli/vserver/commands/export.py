"""`vserver export`."""

import json as json_format
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from vserver.commands import options
from vserver.commands.jobs import Ears, driver_for_job, failure, run_job
from vserver.commands.output import Output, table
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.stack.driver import Driver

_JOB = "dataquality.jobs.exporter"
FormatName = Literal["yaml", "json"]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="File to write, for you alone to read. Default: standard output.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="[yaml|json]",
        help="Default: json for a file whose name ends in .json, else yaml.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        "export",
        epilog=options.examples(
            "vserver export --name hospital --user --output hospital.yaml",
            "vserver export --name hospital --user --format json | jq '.organizations[].name'",
        ),
    )(export)


def export(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    file: OutputFile = None,
    force: Force = False,
    form: Format = None,
    driver: options.Driver = None,
    json: options.Json = False,
) -> None:
    """Export organizations, users, roles and collaborations in the form that `vserver import` reads.

    Passwords, API keys, tasks and results are not in it. It shows one moment, also while the server is in use. The
    instance must have been started once; it may be running or stopped.
    """
    wanted = _format(form, file)
    output = Output("export", json)
    if json and file is None:
        hint = "Add --output, or leave --json out: the export itself then is JSON with --format json."
        raise CommandError("--json tells of a file that was written, and there is none", hint, ExitCode.USAGE)
    if file is not None:
        _check(file, force)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    chosen = driver_for_job(output, instance, loaded.settings, driver)
    result = _run(output, chosen, wanted, instance)
    if file is None:
        sys.stdout.write(result["content"])
        sys.stdout.flush()
        return
    _write(file, result["content"], force)
    facts = {"instance": instance.id, "file": str(file), "format": wanted, "exported": result["counts"]}
    output.done(facts, _summary(instance, file, result["counts"], output.seconds))


def _format(given: str | None, file: Path | None) -> FormatName:
    names: tuple[FormatName, ...] = get_args(FormatName)
    for name in names:
        if given == name:
            return name
    if given is not None:
        raise CommandError(f"--format: there is no format `{given}`", "Use yaml or json.", ExitCode.USAGE)
    return "json" if file is not None and file.suffix.lower() == ".json" else "yaml"


def _run(output: Output, driver: "Driver", form: FormatName, instance: "Instance") -> dict[str, Any]:
    ears = Ears(output)
    code, said = run_job(driver, _JOB, ["--format", form], None, ears)
    try:
        result: dict[str, Any] = json_format.loads(said.splitlines()[-1])
    except (IndexError, ValueError):
        result = {}
    if code == ExitCode.OK and "content" in result:
        return result
    if "problems" in result:
        told = [f"{instance.id} cannot be exported: the form tells things by their names.", *result["problems"]]
        raise CommandError("\n".join(told), "Correct these and export it again.")
    raise failure(code, f"{instance.id} was not exported", ears.said, instance)


def _check(file: Path, force: bool) -> None:
    """Refuse beforehand what could not be written in the end."""
    if file.is_dir():
        raise CommandError(f"{file}: this is a folder", "Name a file in it.", ExitCode.USAGE)
    if os.path.lexists(file) and not force:
        raise _exists(file)
    if not os.access(file.parent, os.W_OK | os.X_OK):
        hint = "Name a file in a folder that exists and that you may write to."
        raise CommandError(f"{file}: its folder cannot be written to", hint, ExitCode.USAGE)


def _write(file: Path, content: str, force: bool) -> None:
    """Whole or not at all, for its owner alone; a link that lies in its place is replaced, never followed."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        if force:
            aside.replace(file)
        else:
            file.hardlink_to(aside)
    except FileExistsError:
        raise _exists(file) from None
    finally:
        aside.unlink(missing_ok=True)


def _exists(file: Path) -> CommandError:
    return CommandError(f"{file} exists already", "Name another file, or write over it with --force.", ExitCode.USAGE)


def _summary(instance: "Instance", file: Path, counts: dict[str, int], seconds: float) -> list[str]:
    rows = [(kind, str(number)) for kind, number in counts.items()]
    return [
        f"{instance.id} is exported to {file}, without passwords and API keys ({seconds:.1f} s).",
        *table(rows, "  "),
        "",
        "Next: look at what importing it elsewhere would do:",
        f"  vserver import {file} --name OTHER --dry-run",
    ]
