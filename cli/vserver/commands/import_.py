"""`vserver import`."""

import json as json_format
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from vserver.commands import options
from vserver.commands.jobs import Ears, driver_for_job, failure, run_job
from vserver.commands.output import Output, table
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.commands.key_file import KeyFile
    from vserver.config.instance import Found, Instance

_JOB = "dataquality.jobs.importer"
_STDIN = "standard input"
_SHOWN = 10
File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        readable=False,
        help="YAML or JSON file of organizations, users and collaborations; - reads standard input.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be new, changed and left.")]
Update = Annotated[
    bool,
    typer.Option(
        "--update", help="Change what exists to what the file says (never passwords and API keys). Default: refuse."
    ),
]
DropAll = Annotated[
    bool,
    typer.Option("--drop-all", help="Delete all that the database holds first; `allow_drop_all` must be true."),
]
Confirm = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        metavar="NAME",
        help="Confirm --drop-all with the instance's name, for scripts.",
        show_default=False,
    ),
]
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys-file",
        metavar="PATH",
        help="Write API keys that are made (`api_key: new`) to this new file, for you alone. Default: show them once.",
        show_default=False,
    ),
]
Image = Annotated[str | None, typer.Option("-i", "--image", hidden=True, show_default=False)]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        "import",
        epilog=options.examples(
            "vserver import organizations.yaml --name hospital --user --dry-run",
            "vserver import organizations.yaml --name hospital --user",
            "vserver export --name old --user | vserver import - --name new --user --keys-file keys.json",
        ),
    )(import_)


def import_(
    file: File,
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    dry_run: DryRun = False,
    update: Update = False,
    drop_all: DropAll = False,
    confirm: Confirm = None,
    keys_file: KeysFile = None,
    driver: options.Driver = None,
    json: options.Json = False,
    image: Image = None,
    mount_src: options.MountSrc = None,
    keep: options.Keep = None,
) -> None:
    """Import organizations, users and collaborations from a file, all or nothing.

    What is there already is found by its name and left as it is, so the same file may be imported again. The instance
    must have been started once; it may be running or stopped.
    """
    from vserver.commands.key_file import opened_key_file

    if image is not None:
        hint = "Leave it out: the import runs in the image that the server runs."
        raise CommandError("--image means nothing here", hint, ExitCode.USAGE)
    output = Output("import", json)
    label = _STDIN if str(file) == "-" else str(file)
    wishes = {"--dry-run": dry_run, "--update": update, "--drop-all": drop_all}
    with _opened(file) as content:
        found = options.Selection(name, config, environment, user).find(output.may_ask)
        _require_allowed(found, drop_all, confirm)
        chosen = driver_for_job(output, found.instance, found.loaded.settings, driver)
        if drop_all and not dry_run:
            _confirm(output, found.instance, confirm)
        with opened_key_file(keys_file) as key_file:
            ears = Ears(output, lambda line: line.startswith(f"{label}:"))
            arguments = ["-", "--label", label, *(option for option, is_wanted in wishes.items() if is_wanted)]
            code, said = run_job(chosen, _JOB, arguments, content, ears)
            if code != ExitCode.OK:
                raise _failure(code, label, ears.said, found.instance)
            result = _result(said)
            key_file.keep(result)
    _warn_of_weak_passwords(output, result["weak_passwords"])
    facts = {"instance": found.instance.id, "file": label, "dry_run": dry_run, "update": update, "drop_all": drop_all}
    tell = _planned if dry_run else _summary
    output.done({**facts, **result}, tell(found.instance, label, result, key_file, output.seconds))


@contextmanager
def _opened(file: Path) -> Generator[BinaryIO]:
    if str(file) == "-":
        if sys.stdin.isatty():
            hint = "Pipe a file into it, or name one."
            raise CommandError("- reads standard input, which is a terminal", hint, ExitCode.USAGE)
        yield sys.stdin.buffer
        return
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


def _require_allowed(found: "Found", drop_all: bool, confirm: str | None) -> None:
    instance = found.instance
    if confirm is not None and not drop_all:
        raise CommandError("--confirm goes with --drop-all only", "Leave it out.", ExitCode.USAGE)
    if drop_all and not found.loaded.settings.allow_drop_all:
        hint = f"Set `allow_drop_all: true` for {instance.environment} in {instance.configuration} first."
        raise CommandError(f"--drop-all is not allowed in {instance.id}", hint, ExitCode.USAGE)


def _confirm(output: Output, instance: "Instance", given: str | None) -> None:
    """Have the instance's name typed, or take the one given."""
    if given is None and not output.may_ask:
        hint = f"There is no terminal to ask at: add `--confirm {instance.name}`."
        raise CommandError("--drop-all must be confirmed", hint, ExitCode.USAGE)
    if given is None:
        output.warn(f"this deletes all that {instance.id} holds: organizations, users, tasks, results")
        given = typer.prompt(f"Type its name ({instance.name}) to go on", default="", show_default=False, err=True)
    if given != instance.name:
        hint = f"The name is {instance.name}."
        raise CommandError("that is not the instance's name; nothing was changed", hint, ExitCode.USAGE)


def _failure(code: int, label: str, said: Sequence[str], instance: "Instance") -> CommandError:
    problems = [line for line in said if line.startswith(f"{label}:")]
    if not problems:
        return failure(code, f"{label} was not imported; nothing was changed", said, instance)
    return CommandError(
        "\n".join([f"{label} cannot be imported; nothing was changed. What is wrong:", *problems]),
        "Correct these and import it again.",
        ExitCode.USAGE if code == ExitCode.USAGE else ExitCode.FAILED,
    )


def _result(said: bytes) -> dict[str, Any]:
    """The job's last line of output."""
    try:
        return dict(json_format.loads(said.splitlines()[-1]))
    except (IndexError, ValueError):
        raise CommandError("the import ended without saying what it did", None, ExitCode.FAULT) from None


def _summary(instance: "Instance", label: str, result: Mapping[str, Any], keys: "KeyFile", seconds: float) -> list[str]:
    counts: dict[str, dict[str, int]] = result["imported"]
    if not result["deleted"] and not any(count["created"] + count["changed"] for count in counts.values()):
        return [f"Nothing was changed: all that stands in {label} is in {instance.id} already ({seconds:.1f} s)."]
    return [
        f"{label} is imported into {instance.id} ({seconds:.1f} s).",
        *_deleted(result, "were deleted before"),
        *_table(counts),
        *_passwords(result),
        *keys.lines(result),
        *_first_password(instance, result),
        "",
        "Next: sign in as one of the users, start the nodes with their API keys, and look at the server:",
        f"  {options.again('status', instance)}",
    ]


def _planned(
    instance: "Instance", label: str, result: Mapping[str, Any], _keys: "KeyFile", seconds: float
) -> list[str]:
    plan: dict[str, dict[str, list[str]]] = result["plan"]
    counts = {kind: {key: len(names) for key, names in groups.items()} for kind, groups in plan.items()}
    named = [
        f"  {word} {kind}: {_some(groups[key])}"
        for kind, groups in plan.items()
        for key, word in (("created", "new"), ("changed", "changed"))
        if groups[key]
    ]
    return [
        f"Nothing was changed. This is what importing {label} into {instance.id} would do ({seconds:.1f} s):",
        *_deleted(result, "would be deleted before"),
        *_table(counts),
        *(["", *named] if named else ["  Nothing would be changed: all of it is there already."]),
        *_passwords(result),
        "",
        "Next: the same command without --dry-run.",
    ]


def _table(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    rows = [(kind, *(str(count[key]) for key in ("created", "changed", "unchanged"))) for kind, count in counts.items()]
    return table([("", "new", "changed", "there already"), *rows], "  ")


def _deleted(result: Mapping[str, Any], words: str) -> list[str]:
    deleted: dict[str, int] = result["deleted"]
    return [f"  {', '.join(f'{number} {kind}' for kind, number in deleted.items())} {words}."] if deleted else []


def _passwords(result: Mapping[str, Any]) -> list[str]:
    number = result["without_password"]
    if not number:
        return []
    who = "1 new user has" if number == 1 else f"{number} new users have"
    return [f"  {who} no password: one is set by mail (a lost password), or with `vserver user set-password`."]


def _first_password(instance: "Instance", result: Mapping[str, Any]) -> list[str]:
    if not result["deleted"]:
        return []
    again = options.again("user set-password root", instance)
    return ["", "The user root is new, with its first password. Set another:", f"  {again}"]


def _warn_of_weak_passwords(output: Output, weak: Sequence[str]) -> None:
    for one in weak[:_SHOWN]:
        output.warn(one)
    if len(weak) > _SHOWN:
        output.warn(f"{len(weak) - _SHOWN} more passwords are weak (--json names all)")


def _some(names: Sequence[str]) -> str:
    from vserver.config.text import shown

    more = f" and {len(names) - _SHOWN} more (--json names all)" if len(names) > _SHOWN else ""
    return ", ".join(shown(name) for name in names[:_SHOWN]) + more
