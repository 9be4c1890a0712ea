"""`vserver stop`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.names import Scope
    from vserver.stack.driver import Driver

All = Annotated[bool, typer.Option("--all", help="Stop all servers of this level.")]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("stop")(stop)


def stop(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    everything: All = False,
    json: options.Json = False,
) -> None:
    """Stop a server. Its data stay."""
    output = Output("stop", json)
    selection = options.Selection(name, config, environment, user)
    stopped = [_stop(output, instance, driver) for instance, driver in _meant(output, selection, everything)]
    if not stopped:
        output.note("nothing is running")
    output.done({"stopped": stopped}, [f"{found['instance']}: stopped (it was {found['was']})." for found in stopped])


def _meant(output: Output, selection: options.Selection, everything: bool) -> "list[tuple[Instance, Driver]]":
    from vserver.commands.instances import active

    if everything:
        return active(selection.scope)
    if selection.name is None and selection.config is None:
        return _the_running_one(output, selection.scope, selection.environment)
    return _named(selection)


def _the_running_one(output: Output, scope: "Scope", environment: str | None) -> "list[tuple[Instance, Driver]]":
    from vserver.commands.instances import active

    running = [found for found in active(scope) if environment in (None, found[0].environment)]
    if len(running) <= 1:
        return running
    by_id = {found[0].id: found for found in running}
    if not output.may_ask:
        raise CommandError(
            f"{len(running)} servers are running at {scope} level: {', '.join(by_id)}",
            "Choose one with --name and -e, or stop them all with --all.",
            ExitCode.USAGE,
        )
    return [by_id[options.choose_one("Which server?", [(name, name) for name in by_id])]]


def _named(selection: options.Selection) -> "list[tuple[Instance, Driver]]":
    """Works for a configuration that has become wrong as well: what runs must be stoppable."""
    from vserver.commands.instances import driver_of, instances_of, is_active
    from vserver.config.instance import find_configuration

    file = find_configuration(selection.name, selection.config, selection.scope)
    candidates = list(instances_of(file))
    if selection.environment is not None:
        candidates = [found for found in candidates if found[0].environment == selection.environment]
        if not candidates:
            selection.find(ask=False)  # says why there is none
    running: list[tuple[Instance, Driver]] = []
    for instance, environment in candidates:
        driver = driver_of(instance, environment)
        if driver is not None and is_active(driver):
            running.append((instance, driver))
    if len(running) > 1:
        names = ", ".join(instance.environment for instance, _ in running)
        raise CommandError(
            f"{file.name} is running in several environments: {names}", "Choose one with -e.", ExitCode.USAGE
        )
    return running


def _stop(output: Output, instance: "Instance", driver: "Driver") -> dict[str, Any]:
    before = driver.stop(output.step)
    return {"instance": instance.id, "was": before.state, "driver": driver.name}
