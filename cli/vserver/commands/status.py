"""`vserver status`."""

from typing import TYPE_CHECKING, Any

import typer

from vserver.commands import options
from vserver.commands.output import Output, table
from vserver.errors import ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.errors import CommandError
    from vserver.stack.driver import StackStatus


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("status", epilog=options.examples("vserver status --name hospital"))(status)


def status(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    json: options.Json = False,
) -> None:
    """Tell how each part of a server is. Exit code 0 when all of it runs and is healthy, else 1."""
    from vserver.commands.instances import secret_damage, status_of

    output = Output("status", json)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    now = status_of(instance)
    damage = secret_damage(instance, loaded.settings)
    output.done(as_data(instance, now, damage), as_lines(instance, now, damage))
    if now.state != "running" or damage:
        raise typer.Exit(ExitCode.FAILED)


def as_data(instance: "Instance", now: "StackStatus", damage: "CommandError | None" = None) -> dict[str, Any]:
    """How an instance is, for programs."""
    return {
        "instance": instance.id,
        "name": instance.name,
        "environment": instance.environment,
        "scope": instance.scope,
        "driver": now.driver,
        "state": now.state,
        "address": now.address,
        "remedy": (damage.hint if damage else now.remedy) or None,
        "secrets": damage.message if damage else None,
        "components": [
            {"name": part.name, "state": part.state, "detail": part.detail, "pid": part.pid} for part in now.components
        ],
    }


def as_lines(instance: "Instance", now: "StackStatus", damage: "CommandError | None" = None) -> list[str]:
    """How an instance is, for people."""
    head = f"{instance.id}: {now.state} (driver {now.driver})"
    parts = table(
        [
            (part.name, part.state, f"pid {part.pid}" if part.pid else "", " ".join(part.detail.split()))
            for part in now.components
        ],
        "  ",
    )
    address = [f"  {now.address}"] if now.address else []
    if damage is not None:
        return [head, *address, *parts, *damage.message.splitlines(), damage.hint or ""]
    return [head, *address, *parts, *([now.remedy] if now.remedy else [])]
