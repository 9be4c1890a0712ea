"""`vserver user`: people who sign in to the server."""

import io
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from vserver.commands import options
from vserver.commands.jobs import Ears, driver_for_job, failure, run_job
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

_JOB = "dataquality.jobs.set_password"
_MOST_BYTES = 4096
Username = Annotated[str, typer.Argument(metavar="USERNAME", help="Name that the user signs in with, such as root.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="File that holds the password on its one line; - reads standard input. Default: ask at the terminal.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Set a user's password.")
    group.command(
        "set-password",
        epilog=options.examples(
            "vserver user set-password root --name hospital",
            "vserver user set-password root --name hospital --password-file root-password",
        ),
    )(set_password)
    app.add_typer(group, name="user")


def set_password(
    username: Username,
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    password_file: PasswordFile = None,
    driver: options.Driver = None,
    json: options.Json = False,
) -> None:
    """Set the password of a user, by default asking for it.

    It ends every sign-in of the user, and the lock after failed ones. The instance must have been started once; it may
    be running or stopped.
    """
    output = Output("user set-password", json)
    given = None if password_file is None else _read(output, password_file)
    _require_some_way(output, given)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    chosen = driver_for_job(output, instance, loaded.settings, driver)
    password = _ask(username) if given is None else given
    ears = Ears(output, lambda _: True)
    # On standard input: others can read the words of a command line and, as the same account, its environment.
    code, _ = run_job(chosen, _JOB, ["--", username], io.BytesIO(password.encode()), ears)
    if code != ExitCode.OK:
        raise failure(code, f"the password of {username} was not set", ears.said, instance)
    output.done(
        {"instance": instance.id, "username": username},
        [f"The password of {username} is set. Next: sign in with it.", f"  {options.again('status', instance)}"],
    )


def _require_some_way(output: Output, given: str | None) -> None:
    if given is None and not output.may_ask:
        hint = "Add `--password-file FILE`, or `--password-file -` to read it from standard input."
        raise CommandError("there is no terminal to ask for the password at", hint, ExitCode.USAGE)


def _ask(username: str) -> str:
    from vserver.commands.asking import Terminal

    terminal = Terminal()
    first = terminal.hidden(f"New password of {username}", lambda text: None if text else "Type a password.")
    terminal.hidden("The same once more", lambda text: None if text == first else "It differs from the first.")
    return first


def _read(output: Output, file: Path) -> str:
    """The password in a file, or on standard input (`-`): its one line, without the line's end."""
    try:
        content = sys.stdin.buffer.read(_MOST_BYTES + 1) if str(file) == "-" else _content(output, file)
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _unusable(file, "is not text in UTF-8") from None
    if not text:
        raise _unusable(file, "is empty")
    if len(content) > _MOST_BYTES or len(text.splitlines()) != 1:
        raise _unusable(file, "holds more than one line of a password")
    return text


def _content(output: Output, file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                output.warn(f"{file} may be read by others of this machine: delete it, or `chmod 600` it")
            return opened.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is not valid"
        hint = "Name a file that you may read, which holds the password alone."
        raise CommandError(f"--password-file: {file} cannot be read: {reason}", hint, ExitCode.USAGE) from None


def _unusable(file: Path, what: str) -> CommandError:
    name = "standard input" if str(file) == "-" else str(file)
    return CommandError(f"--password-file: {name} {what}", "Write the password alone, on one line.", ExitCode.USAGE)
