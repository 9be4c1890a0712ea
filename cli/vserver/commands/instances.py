"""Instances as commands meet them: all there are, and how each is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vserver.errors import CommandError, ConfigurationError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import ConfigurationFile, Instance
    from vserver.config.names import Scope
    from vserver.config.schema import Environment
    from vserver.stack.driver import Driver, StackStatus


def driver_of(instance: "Instance", environment: "Environment | None" = None) -> "Driver | None":
    """The driver under which it last ran; None when it never did."""
    from vserver.stack.choose import current_driver

    return current_driver(instance, environment)


def status_of(instance: "Instance", environment: "Environment | None" = None) -> "StackStatus":
    """How an instance is; one that never ran is stopped."""
    from vserver.commands.options import again
    from vserver.stack.driver import StackStatus

    driver = driver_of(instance, environment)
    if driver is None:
        return StackStatus("local", "stopped", remedy=f"It has never been started: `{again('start', instance)}`.")
    return driver.status()


def instances_of(file: "ConfigurationFile") -> "Iterator[tuple[Instance, Environment | None]]":
    """The instances of a configuration: one for each environment that is filled in.

    What is wrong with one does not hide it: then it is looked for where instances are by default.
    """
    from vserver.config.instance import instance_of
    from vserver.config.reader import list_environments, read_environment

    for summary in list_environments(file.path):
        if summary.name is None or summary.state == "empty":
            continue
        try:
            settings = read_environment(file.path, summary.name).settings
        except ConfigurationError:
            yield instance_of(file, summary.name), None
        else:
            yield instance_of(file, summary.name, settings.directories, settings.logging.file), settings


def all_instances(scope: "Scope") -> "Iterator[tuple[Instance, Environment | None]]":
    """All instances at a level."""
    from vserver.config.instance import iter_configurations

    for file in iter_configurations(scope):
        yield from instances_of(file)


def active(scope: "Scope") -> "list[tuple[Instance, Driver]]":
    """The instances at a level of which something runs."""
    found: list[tuple[Instance, Driver]] = []
    for instance, environment in all_instances(scope):
        driver = driver_of(instance, environment)
        if driver is not None and is_active(driver):
            found.append((instance, driver))
    return found


def is_active(driver: "Driver") -> bool:
    """Whether anything of an instance runs; without an engine nothing of it can."""
    try:
        return driver.status().state != "stopped"
    except CommandError as error:
        if error.exit_code == ExitCode.UNREACHABLE:
            return False
        raise
