"""`vserver new`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.answers import Answers
    from vserver.config.instance import Found
    from vserver.config.names import EnvironmentName, Scope

Environment = Annotated[
    str,
    typer.Option(
        "-e",
        "--environment",
        metavar="[application|prod|acc|test|dev]",
        help="Environment to write. One more can be added to a configuration that is there.",
        autocompletion=options.complete_environment,
    ),
]
Name = Annotated[str | None, typer.Option("-n", "--name", metavar="NAME", help="Name of the new server.")]
User = Annotated[
    bool,
    typer.Option(
        "--user/--system", help="Write it for yourself, or for the whole machine. Default: system.", show_default=False
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Answer a question, or set any other key of the configuration (logging.level=DEBUG). May be repeated. "
        "For a secret, name the file that holds it: vpn_server.client_secret=file:PATH.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        "new",
        epilog=options.examples(
            "vserver new",
            "vserver new --name hospital -e test --user",
            "vserver new --name hospital --set description='Our server' --set port=5001 </dev/null",
        ),
    )(new)


def new(
    name: Name = None,
    environment: Environment = "prod",
    user: User = False,
    settings: Set = None,
    json: options.Json = False,
) -> None:
    """Create a server's configuration, or add an environment to one.

    Asks for what --set does not say. Without a terminal nothing is asked, and keys that are not set keep their
    defaults. What is there already is never overwritten.
    """
    from vserver.config import answers as given
    from vserver.config.instance import find_instance
    from vserver.config.wizard import fill_in

    output = Output("new", json)
    scope = "user" if user else "system"
    section = _environment(environment)
    _check_folder(scope)
    answers = given.Answers(section, _folder(scope))
    given.from_options(settings or [], answers)
    name = _answered(output, name, scope, section, answers)
    fill_in(answers, f"{name}-{section}.log")
    _write(_folder(scope) / f"{name}.yaml", section, answers)
    for key in given.open_secrets(settings or []):
        output.warn(f"{key} stood on the command line, where others can read it: better write --set {key}=file:PATH")
    _tell(output, find_instance(name, None, section, scope))


def _environment(name: str) -> "EnvironmentName":
    from vserver.config.names import ENVIRONMENT_NAMES
    from vserver.config.text import nearest

    if name in ENVIRONMENT_NAMES:
        return name
    close = nearest(name, ENVIRONMENT_NAMES)
    hint = f"Did you mean {close}?" if close else f"Use one of {', '.join(ENVIRONMENT_NAMES)}."
    raise CommandError(f"-e {name}: there is no such environment", hint, ExitCode.USAGE)


def _folder(scope: "Scope") -> Path:
    from vserver.config.folders import standard_folders

    return standard_folders(scope).configuration


def _check_folder(scope: "Scope") -> None:
    """Before anything is asked: nobody wants to answer in vain."""
    folder = _folder(scope)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return
    hint = (
        "Write it for yourself with `vserver new --user`, or run the command as root for a server of the whole machine."
        if scope == "system"
        else f"See who owns {there}."
    )
    raise CommandError(f"you may not write into {folder}", hint, ExitCode.UNREACHABLE)


def _answered(output: Output, name: str | None, scope: "Scope", section: "EnvironmentName", answers: "Answers") -> str:
    """The name, once all is answered."""
    from vserver.config import wizard

    if not output.may_ask:
        return _unasked(name, scope, section, answers)
    from vserver.commands.asking import Terminal

    ask = Terminal()
    if name is None:
        name = ask.text("Name of the server:", "", lambda text: _wrong(text, scope, section))
    name = _checked(name, scope, section)
    wizard.ask_all(ask, answers)
    return name


def _unasked(name: str | None, scope: "Scope", section: "EnvironmentName", answers: "Answers") -> str:
    from vserver.config.wizard import missing

    wanted = [*(["--name NAME"] if name is None else []), *missing(answers)]
    checked = None if name is None else _checked(name, scope, section)
    if wanted or checked is None:
        level = " --user" if scope == "user" else ""
        raise CommandError(
            f"there is no terminal to ask at, and these are not given: {', '.join(wanted)}",
            f"For example `vserver new --name {name or 'hospital'} -e {section}{level} --set description='Ours'`. "
            "Any other key may be set as well; otherwise it keeps its default.",
            ExitCode.USAGE,
        )
    return checked


def _checked(name: str, scope: "Scope", section: "EnvironmentName") -> str:
    """The name as it is used, or CommandError."""
    from vserver.config.names import wrong_name
    from vserver.config.text import shown
    from vserver.config.writer import check_room

    name = name.strip().replace(" ", "-")
    wrong = wrong_name(name) or ("may not end with .yaml" if name.endswith(".yaml") else None)
    if wrong:
        raise CommandError(f"the name '{shown(name)}' cannot be: it {wrong}", "Choose another one.", ExitCode.USAGE)
    path = _folder(scope) / f"{name}.yaml"
    if path.exists():
        check_room(path, section)
    return name


def _wrong(text: str, scope: "Scope", section: "EnvironmentName") -> str | None:
    try:
        _checked(text, scope, section)
    except CommandError as error:
        return error.message
    return None


def _write(path: Path, section: "EnvironmentName", answers: "Answers") -> None:
    from vserver.config import writer

    values = answers.explicit()
    is_there = path.exists()
    text = writer.with_environment(path, section, values) if is_there else writer.new_file(section, values)
    try:
        writer.save(path, text)
    except PermissionError:
        raise  # told at the edge, with what to do
    except OSError as error:
        reason = f"{path} cannot be written: {error.strerror or error}"
        raise CommandError(reason, f"Nothing was changed. Look at {path.parent} and its disk.") from error


def _tell(output: Output, found: "Found") -> None:
    instance = found.instance
    for warning in found.loaded.warnings:
        output.warn(warning)
    start = options.again("start", instance)
    data = {"configuration": str(instance.configuration), "name": instance.name, "scope": instance.scope}
    output.done(
        data | {"environment": instance.environment, "start": start},
        [f"Written: {instance.configuration} (environment {instance.environment}).", "", "Next:", f"  {start}"],
    )
