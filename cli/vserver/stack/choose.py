"""Which driver runs an instance. An instance stays with its driver: its data may lie where only that one looks."""

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, get_args

from vserver.errors import CommandError, ExitCode
from vserver.stack.driver import Driver, DriverName
from vserver.stack.files import read_text, write_private

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment

VARIABLE = "VSERVER_DRIVER"
_NAMES: tuple[DriverName, ...] = get_args(DriverName)
_FILE = "driver"
_ENGINE_SECONDS = 5


def choose_driver(instance: "Instance", environment: "Environment", asked: str | None) -> Driver:
    """The driver for an instance that is to run: as asked for, or else the one it ran under, or else by what there is.

    Asked for means: `asked` (the option), the variable VSERVER_DRIVER, or the configuration, in this order. A choice
    that nobody made is said in one line on standard error. Raises `CommandError` for a choice that would leave the
    instance's data behind.
    """
    wanted = _wanted(asked, environment)
    last = last_driver(instance)
    if last is None:
        return driver_named(wanted or _by_engine(), instance, environment)
    if wanted is not None and wanted != last:
        _check_switch(instance, environment, last, wanted)
        return driver_named(wanted, instance, environment)
    return driver_named(last, instance, environment)


def current_driver(instance: "Instance", environment: "Environment | None") -> Driver | None:
    """The driver under which the instance last ran; None when it never did."""
    last = last_driver(instance)
    return None if last is None else driver_named(last, instance, environment)


def driver_named(name: DriverName, instance: "Instance", environment: "Environment | None") -> Driver:
    """That driver for this instance."""
    if name == "local":
        from vserver.stack.local.driver import LocalDriver

        return LocalDriver(instance, environment)
    from vserver.stack.compose.driver import ComposeDriver

    return ComposeDriver(instance, environment)


def last_driver(instance: "Instance") -> DriverName | None:
    """The driver that the instance's data folder names."""
    name = (read_text(instance.data_folder / _FILE) or "").strip()
    return name if name in _NAMES else None


def remember(instance: "Instance", driver: Driver) -> None:
    """Note in the data folder, where there is one by now, which driver its data belong to."""
    if instance.data_folder.is_dir() and last_driver(instance) != driver.name:
        write_private(instance.data_folder / _FILE, driver.name)


def _wanted(asked: str | None, environment: "Environment") -> DriverName | None:
    variable = os.environ.get(VARIABLE) or None
    name = asked or variable or environment.driver
    if name is None or name in _NAMES:
        return name
    raise CommandError(
        f"{'--driver' if asked else VARIABLE}: there is no driver `{name}`", "Use compose or local.", ExitCode.USAGE
    )


def _by_engine() -> DriverName:
    chosen: DriverName = "compose" if engine_answers() else "local"
    reason = "a Docker engine answers" if chosen == "compose" else "no Docker engine answers"
    sys.stderr.write(f"note: {reason}, so the driver is {chosen}; `--driver` chooses another\n")
    return chosen


def engine_answers() -> bool:
    """Whether there is a Docker engine that we may use."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    command = [docker, "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_ENGINE_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _check_switch(instance: "Instance", environment: "Environment", last: DriverName, wanted: DriverName) -> None:
    """A database of the stack's own lies where only its driver looks; any other is found by both."""
    if environment.uri is None:
        raise CommandError(
            f"{instance.id} has its database under the driver {last}; under {wanted} it would begin with an empty one",
            f"Go on with `--driver {last}`. To move it, give it a database of its own in `uri`, or copy the data.",
            ExitCode.USAGE,
        )
    if driver_named(last, instance, environment).status().state != "stopped":
        raise CommandError(
            f"{instance.id} is running under the driver {last}",
            f"`vserver stop` it first, then start it with `--driver {wanted}`.",
            ExitCode.USAGE,
        )
