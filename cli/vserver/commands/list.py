"""`vserver list`."""

from typing import TYPE_CHECKING, Any

import typer

from vserver.commands import options
from vserver.commands.output import Output

if TYPE_CHECKING:
    from vserver.config.instance import ConfigurationFile


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("list", epilog=options.examples("vserver list"))(list_servers)


def list_servers(json: options.Json = False) -> None:
    """List the configurations, and which of them run."""
    from vserver.config.instance import iter_configurations
    from vserver.config.names import SCOPES

    output = Output("list", json)
    rows = [_row(file) for scope in SCOPES for file in iter_configurations(scope)]
    unreadable = [row for row in rows if row["problems"]]
    output.done({"configurations": rows, "unreadable": len(unreadable)}, _lines(rows, unreadable))


def _row(file: "ConfigurationFile") -> dict[str, Any]:
    from vserver.commands.instances import instances_of
    from vserver.config.reader import list_environments

    summaries = list_environments(file.path)
    states = {instance.environment: _state(instance, settings) for instance, settings in instances_of(file)}
    return {
        "name": file.name,
        "path": str(file.path),
        "scope": file.scope,
        "environments": list(states),
        "states": states,
        "problems": [str(problem) for summary in summaries for problem in summary.problems],
    }


def _state(instance: Any, settings: Any) -> str:
    from vserver.commands.instances import status_of
    from vserver.errors import CommandError

    try:
        return status_of(instance, settings).state
    except (CommandError, PermissionError):
        return "unknown"


def _lines(rows: list[dict[str, Any]], unreadable: list[dict[str, Any]]) -> list[str]:
    head = f"{'Name':25} {'Environments':32} {'Status':24} System/User"
    lines = [
        f"{row['name']:25} {', '.join(row['environments']):32} {_status(row['states']):24} {row['scope'].title()}"
        for row in rows
    ]
    broken = [f"  {problem}" for row in unreadable for problem in row["problems"]]
    return [head, "-" * len(head), *lines, "-" * len(head), f"Unreadable configurations: {len(unreadable)}", *broken]


def _status(states: dict[str, str]) -> str:
    """The one word where one will do, else a word for each environment that is not just stopped."""
    words = {"running": "Running", "stopped": "Not running"}
    if len(set(states.values())) <= 1:
        state = next(iter(states.values()), "stopped")
        return words.get(state, state.title())
    return ", ".join(f"{name} {state}" for name, state in states.items() if state != "stopped")
