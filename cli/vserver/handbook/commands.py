"""docs/commands.md, from the command itself: `python -m vserver.handbook.commands` writes it there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from vserver.handbook.about import ABOUT, SHARED
from vserver.handbook.pages import filled, table
from vserver.main import build_app

PAGE = Path("docs", "commands.md")


def page(text: str) -> str:
    """The page with its made parts made anew."""
    commands = list(all_commands())
    return filled(text, {"exits": _codes(SHARED), "commands": "\n\n".join(_command(*command) for command in commands)})


def all_commands() -> Iterator[tuple[str, Any]]:
    """Name (`image build`) and definition of every command that does something."""
    yield from _below("", typer.main.get_command(build_app()))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    parts = getattr(command, "commands", None)
    if parts is None:
        yield name, command
        return
    for part, below in parts.items():
        yield from _below(f"{name} {part}".strip(), below)


def _command(name: str, command: Any) -> str:
    about = ABOUT[name]
    arguments = "".join(f" {_metavar(one)}" for one in command.params if one.param_type_name == "argument")
    return "\n\n".join(
        [
            f"## vserver {name}",
            " ".join(str(command.help).split("\n\n")[0].split()),
            *(" ".join(more.split()) for more in str(command.help).split("\n\n")[1:]),
            f"Usage: `vserver {name}{arguments} [OPTIONS]`",
            *_examples(command.epilog),
            table(("argument or option", "what it does"), list(_parameters(command))),
            f"**Reads** {_lowered(about.reads)}",
            f"**Writes** {_lowered(about.writes)}",
            "**Exits with**",
            _codes(about.exits),
        ]
    )


def _examples(epilog: str | None) -> Iterator[str]:
    """The lines of the help's examples, as a block that is run."""
    lines = [line.strip() for line in (epilog or "").splitlines() if line.strip().startswith("vserver")]
    if lines:
        yield "```bash\n" + "\n".join(lines) + "\n```"


def _parameters(command: Any) -> Iterator[tuple[str, str]]:
    for one in command.params:
        if getattr(one, "hidden", False) or one.name == "help":
            continue
        yield f"`{_spelled(one)}`", str(one.help or "")


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _metavar(parameter)
    words = ", ".join(parameter.opts) + "".join(f" / {other}" for other in parameter.secondary_opts)
    return words if parameter.is_flag else f"{words} {parameter.metavar}"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).strip("{}")


def _lowered(text: str) -> str:
    """The sentence after its verb: `Nothing.` is `nothing.`, but names stay as they are."""
    first, _, rest = text.partition(" ")
    is_name = first.startswith(("`", "Docker", "PostgreSQL"))
    return text if is_name else f"{first[0].lower()}{first[1:]} {rest}".strip()


def _codes(exits: Any) -> str:
    return table(("code", "when"), [(str(int(code)), when) for code, when in exits.items()])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
