"""`vserver start`."""

from typing import TYPE_CHECKING, Annotated

import typer

from vserver.commands import options
from vserver.commands.output import Output, table
from vserver.errors import ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment as Settings
    from vserver.stack.driver import Driver, StackStatus

Ip = Annotated[
    str | None, typer.Option("--ip", metavar="IP", help="Address to listen on, in place of the configuration's.")
]
Port = Annotated[
    int | None,
    typer.Option("-p", "--port", metavar="PORT", min=1, max=65535, help="Port, in place of the configuration's."),
]
Image = Annotated[
    str | None, typer.Option("-i", "--image", metavar="IMAGE", help="Image of the server (driver compose).")
]
Attach = Annotated[bool, typer.Option("--attach/--detach", help="Show the logs afterwards; Ctrl-C only detaches.")]


_FIRST_PASSWORD = "The user root still has its first password."  # noqa: S105 - a sentence
"""What ends the output of `migrate` while that is so."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        "start",
        epilog=options.examples(
            "vserver start --name hospital --attach",
            "vserver start --config /srv/hospital.yaml -e test --ip 127.0.0.1 --port 5001",
        ),
    )(start)


def start(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    ip: Ip = None,
    port: Port = None,
    image: Image = None,
    attach: Attach = False,
    driver: options.Driver = None,
    json: options.Json = False,
    rabbitmq_image: options.RabbitmqImage = None,
    with_ui: options.WithUi = None,
    ui_port: options.UiPort = None,
    mount_src: options.MountSrc = None,
    keep: options.Keep = None,
) -> None:
    """Start a server and wait until all of it is healthy."""
    from vserver.stack.choose import choose_driver, remember

    output = Output("start", json)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    for warning in loaded.warnings:
        output.warn(warning)
    chosen = choose_driver(instance, loaded.settings, driver)
    before = chosen.status() if instance.data_folder.exists() else None
    if before is not None and before.state == "running":
        _tell_running(output, instance, chosen, before)
    else:
        plan = chosen.plan(port, _address(ip), image)
        for warning in chosen.warnings(plan):
            output.warn(warning)
        try:
            now = chosen.start(plan, output.step)
        finally:
            remember(instance, chosen)
        _tell_started(output, instance, loaded.settings, chosen, now)
    if attach:
        from vserver.commands.attach import show_logs

        show_logs(output, instance, chosen, [])


def _address(ip: str | None) -> str | None:
    import ipaddress

    from vserver.errors import CommandError

    try:
        return ip and str(ipaddress.ip_address(ip))
    except ValueError:
        raise CommandError(
            f"--ip: '{ip}' is not an IP address", "Give one such as 127.0.0.1 or 0.0.0.0.", ExitCode.USAGE
        ) from None


def _tell_running(output: Output, instance: "Instance", driver: "Driver", now: "StackStatus") -> None:
    from vserver.commands.status import as_data, as_lines

    output.done(as_data(instance, now) | {"was_running": True}, ["It is running already.", *as_lines(instance, now)])


def _tell_started(
    output: Output, instance: "Instance", settings: "Settings", driver: "Driver", now: "StackStatus"
) -> None:
    from vserver.commands.status import as_data

    seconds = round(output.seconds, 1)
    places = {
        "API": now.address or "",
        "Configuration": str(instance.configuration),
        "Data folder": str(instance.data_folder),
        "Log file": str(instance.log_file),
        **driver.files(),
    }
    is_first = any(line.endswith(_FIRST_PASSWORD) for line in driver.last_lines("migrate", 1))
    output.done(
        as_data(instance, now)
        | {"was_running": False, "seconds": seconds, "files": driver.files(), "first_password": is_first},
        [
            f"{instance.id} is running (driver {now.driver}, started in {seconds} s).",
            *table(list(places.items()), "  "),
            "",
            *(_first_password(settings) if is_first else []),
            "Next:",
            *([f"  {options.again('user set-password root', instance)}"] if is_first else []),
            f"  {options.again('import', instance)} FILE",
            f"  {options.again('status', instance)}",
            f"  {options.again('attach', instance)}",
            f"  {options.again('stop', instance)}",
        ],
    )


def _first_password(settings: "Settings") -> list[str]:
    if settings.is_strict:
        return [f"In {settings.type} the first user, root, cannot sign in before you set its password.", ""]
    return ["Warning: the first user, root, still has the password root. Set another before others use the server.", ""]
