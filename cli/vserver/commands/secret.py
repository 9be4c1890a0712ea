"""`vserver secret`: the secrets that a server keeps."""

from typing import TYPE_CHECKING, Annotated

import typer

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vserver.stack.plan import SecretPlan

Secrets = Annotated[
    list[str], typer.Argument(metavar="SECRET...", help="Which ones; `vserver start` names damaged ones.")
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make secrets of a server anew.")
    group.callback()(lambda: None)  # else one command alone would take the group's place
    group.command("renew", epilog=options.examples("vserver secret renew redis_password --name hospital"))(renew)
    app.add_typer(group, name="secret")


def renew(
    secrets: Secrets,
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    driver: options.Driver = None,
    json: options.Json = False,
) -> None:
    """Make secrets of a stopped server anew, where they are lost or known to others.

    Whoever was let in by the old ones is shut out; the answer says whom.
    """
    from vserver.commands.jobs import captured_output
    from vserver.stack.choose import choose_driver, last_driver
    from vserver.stack.secret_table import NEW_ONE

    output = Output("secret renew", json)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    if last_driver(instance) is None:
        hint = f"Start it: `{options.again('start', instance)}` makes them."
        raise CommandError(f"{instance.id} was never started, so it has no secrets yet", hint)
    chosen = choose_driver(instance, loaded.settings, driver)
    plan = chosen.plan()
    names = list(dict.fromkeys(secrets))
    _require_renewable(names, plan.secrets)
    if output.may_ask:
        for one in names:
            output.warn(f"a new {one} {NEW_ONE[one]}")
        typer.confirm("Go on?", abort=True, err=True)
    with captured_output():
        chosen.renew_secrets(plan, names, output.step)
    lines = [f"{one} is new. It {NEW_ONE[one]}." for one in names]
    effects = {one: NEW_ONE[one] for one in names}
    output.done(
        {"instance": instance.id, "renewed": effects}, [*lines, "", f"Next: `{options.again('start', instance)}`"]
    )


def _require_renewable(names: "Sequence[str]", secrets: "SecretPlan") -> None:
    for one in names:
        if one not in secrets.generated:
            hint = f"This instance has: {', '.join(secrets.generated)}."
            raise CommandError(f"there is no secret '{one}' to renew", hint, ExitCode.USAGE)
        if one in secrets.given:
            hint = "Change it there; the next start takes it."
            raise CommandError(f"{one} stands in the configuration", hint, ExitCode.USAGE)
