"""`vserver version`."""

from typing import TYPE_CHECKING

import typer

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.stack.driver import Driver

_SECONDS = 5


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("version", epilog=options.examples("vserver version --name hospital"))(version)


def version(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    json: options.Json = False,
) -> None:
    """Tell the version of this command and of a running server."""
    output = Output("version", json)
    instance, driver = _running(options.Selection(name, config, environment, user), output)
    address = driver.status().address
    if address is None:
        raise CommandError(f"{instance.id} is not running", f"Start it: `{options.again('start', instance)}`.")
    found = {"server": _server_version(address), "cli": command_version()}
    output.done(found, [f"server {found['server']}", f"cli    {found['cli']}"])


def command_version() -> str:
    """The version of the installed distribution."""
    import importlib.metadata

    return importlib.metadata.version("dataquality-server")


def _running(selection: options.Selection, output: Output) -> "tuple[Instance, Driver]":
    from vserver.commands.instances import driver_of, running

    if selection.name is not None or selection.config is not None:
        instance, loaded = selection.find(output.may_ask)
        driver = driver_of(instance, loaded.settings)
        if driver is not None:
            return instance, driver
        raise CommandError(f"{instance.id} is not running", f"Start it: `{options.again('start', instance)}`.")
    found = running(selection, output.may_ask)
    if not found:
        raise CommandError(
            f"No server is running at {selection.scope} level; this command is version {command_version()}",
            "Start one with `vserver start`.",
        )
    return found[0]


def _server_version(address: str) -> str:
    import json
    import urllib.request

    try:
        with urllib.request.urlopen(f"{address}/version", timeout=_SECONDS) as response:  # noqa: S310 - our own address
            return str(json.load(response)["version"])
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(
            f"The server at {address} does not tell its version: {error}", "See `vserver status`.", ExitCode.UNREACHABLE
        ) from None
