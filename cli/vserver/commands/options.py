"""Options that commands share, and what they come to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Found, Instance
    from vserver.config.names import Scope


def examples(*lines: str) -> str:
    """The end of a command's help: how it is used, line by line as it stands here."""
    # \b keeps the help from filling the lines up.
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


def complete_name(context: typer.Context, incomplete: str) -> list[str]:
    """The names of the configurations at the level that is looked at. Reads no file: it must answer at once."""
    from vserver.config.folders import standard_folders

    folder = standard_folders("user" if context.params.get("user") else "system").configuration
    return sorted(path.stem for path in folder.glob("*.yaml") if path.stem.startswith(incomplete))


def complete_environment(incomplete: str) -> list[str]:
    """The names that an environment may have."""
    from vserver.config.names import ENVIRONMENT_NAMES

    return [name for name in ENVIRONMENT_NAMES if name.startswith(incomplete)]


def complete_driver(incomplete: str) -> list[str]:
    """The names of the drivers."""
    return [name for name in ("compose", "local") if name.startswith(incomplete)]


Name = Annotated[
    str | None,
    typer.Option(
        "-n",
        "--name",
        metavar="NAME",
        help="Name of the configuration.",
        show_default=False,
        autocompletion=complete_name,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="Configuration file; wins over the name.", show_default=False),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "-e",
        "--environment",
        metavar="[application|prod|acc|test|dev]",
        help="Environment. Default: the only one that is filled in, else prod.",
        show_default=False,
        autocompletion=complete_environment,
    ),
]
User = Annotated[
    bool,
    typer.Option("--user/--system", help="Look at user or at system level. Default: system.", show_default=False),
]
Driver = Annotated[
    str | None,
    typer.Option(
        "--driver",
        metavar="[compose|local]",
        help="How to run it. Default: as it last ran, else compose where a Docker engine answers, else local.",
        show_default=False,
        autocompletion=complete_driver,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object on standard output.")]


def _refuse(option: str, remedy: str) -> Callable[[str | None], str | None]:
    def refuse(value: str | None) -> str | None:
        if value:
            raise CommandError(f"{option} belongs to the older server and means nothing here", remedy, ExitCode.USAGE)
        return value

    return refuse


def retired(option: str, remedy: str) -> typer.models.OptionInfo:
    """An option of the older server, still known so that its use can be answered with what to do instead."""
    return typer.Option(option, hidden=True, callback=_refuse(option, remedy), show_default=False)


def retired_flag(options: str, remedy: str) -> typer.models.OptionInfo:
    """The same for an option without a value."""
    return typer.Option(options, hidden=True, callback=_refuse_flag(options, remedy), show_default=False)


def _refuse_flag(options: str, remedy: str) -> Callable[[bool | None], bool | None]:
    def refuse(value: bool | None) -> bool | None:
        if value is not None:
            raise CommandError(f"{options} belongs to the older server and means nothing here", remedy, ExitCode.USAGE)
        return value

    return refuse


RabbitmqImage = Annotated[
    str | None, retired("--rabbitmq-image", "There is no RabbitMQ any more: Redis is part of the stack. Leave it out.")
]
MountSrc = Annotated[
    str | None,
    retired(
        "--mount-src", "To run changed sources, build an image of them: `vserver image build`; or `--driver local`."
    ),
]
Keep = Annotated[
    bool | None,
    retired_flag("--keep/--auto-remove", "Logs and data outlive the containers in any case. Leave it out."),
]
WithUi = Annotated[
    bool | None, retired_flag("--with-ui", "The server brings no user interface. Leave it out, and run one beside it.")
]
UiPort = Annotated[str | None, retired("--ui-port", "The server brings no user interface. Leave it out.")]


@dataclass(frozen=True)
class Selection:
    """What the shared options say, before anything is looked up."""

    name: str | None = None
    config: Path | None = None
    environment: str | None = None
    user: bool = False

    @property
    def scope(self) -> "Scope":
        """The level that is looked at."""
        return "user" if self.user else "system"

    def find(self, ask: bool) -> "Found":
        """The instance that is meant, with its configuration. With a terminal (`ask`), several lead to a question."""
        from vserver.config.instance import SeveralConfigurationsError, find_instance

        try:
            return find_instance(self.name, self.config, self.environment, self.scope)
        except SeveralConfigurationsError as error:
            if not ask:
                raise
            name = choose_one("Which configuration?", [(choice.name, choice.name) for choice in error.choices])
            return find_instance(name, None, self.environment, self.scope)


def choose_one(question: str, choices: list[tuple[str, str]]) -> str:
    """Ask at the terminal; `choices` are what is shown and what it stands for."""
    from vserver.commands.asking import Terminal

    return Terminal().choose(question, choices)


def again(
    command: Literal["status", "stop", "import", "export", "start", "files", "attach", "user set-password root"],
    instance: "Instance",
) -> str:
    """The command line of another command for the same instance."""
    return f"vserver {command} {instance.options}"
