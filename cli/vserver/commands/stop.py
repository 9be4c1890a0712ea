"""`vserver stop`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vserver.commands import options
from vserver.commands.output import Output

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.stack.driver import Driver

All = Annotated[bool, typer.Option("--all", help="Stop all servers of this level.")]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("stop", epilog=options.examples("vserver stop --name hospital", "vserver stop --all --user"))(stop)


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
    from vserver.commands.instances import active, running

    return active(selection.scope) if everything else running(selection, output.may_ask)


def _stop(output: Output, instance: "Instance", driver: "Driver") -> dict[str, Any]:
    before = driver.stop(output.step)
    return {"instance": instance.id, "was": before.state, "driver": driver.name}
