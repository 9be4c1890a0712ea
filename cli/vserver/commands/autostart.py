"""`vserver autostart`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vserver.commands import options
from vserver.commands.output import Output

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.stack.compose.driver import ComposeDriver

Action = Literal["enable", "disable", "status"]
What = Annotated[Action, typer.Argument(help="enable, disable or status.", metavar="[enable|disable|status]")]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("autostart", epilog=options.examples("vserver autostart enable --name hospital"))(autostart)


def autostart(
    action: What,
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    driver: options.Driver = None,
    json: options.Json = False,
) -> None:
    """Have a server started when the machine boots, or no longer."""
    from vserver.stack.choose import choose_driver
    from vserver.stack.compose.driver import ComposeDriver

    output = Output("autostart", json)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    chosen = choose_driver(instance, loaded.settings, driver)
    if isinstance(chosen, ComposeDriver):
        is_enabled, how, by_hand = _by_engine(chosen, action)
    else:
        is_enabled, how, by_hand = _by_systemd(instance, action)
    output.done(
        {"instance": instance.id, "driver": chosen.name, "enabled": is_enabled, "how": how, "by_hand": by_hand},
        [f"{instance.id}: {'starts at boot' if is_enabled else 'does not start at boot'} ({how}).", *by_hand],
    )


def _by_engine(driver: "ComposeDriver", action: Action) -> tuple[bool, str, list[str]]:
    if action != "status":
        driver.set_restart_at_boot(action == "enable")
    is_enabled = driver.restarts_at_boot()
    by_hand = ["See that Docker itself starts at boot: `systemctl enable docker`."] if is_enabled else []
    return is_enabled, "restart policy of the containers", by_hand


def _by_systemd(instance: "Instance", action: Action) -> tuple[bool, str, list[str]]:
    import os

    from vserver.stack.local.systemd import boot_unit, unit_text

    unit = boot_unit(instance)
    by_hand: list[str] = []
    if action == "enable":
        by_hand = unit.enable(unit_text(instance, os.environ))
    elif action == "disable":
        by_hand = unit.disable()
    return unit.is_enabled, f"systemd unit {unit.file}", by_hand
