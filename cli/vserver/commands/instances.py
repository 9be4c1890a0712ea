"""Instances as commands meet them: all there are, and how each is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vserver.errors import CommandError, ConfigurationError, ExitCode

if TYPE_CHECKING:
    from vserver.commands.options import Selection
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


def secret_damage(instance: "Instance", environment: "Environment") -> CommandError | None:
    """What is wrong with the secrets that an instance keeps; None for one that never ran."""
    driver = driver_of(instance, environment)
    return driver.secret_damage() if driver is not None else None


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


def running(selection: "Selection", ask: bool) -> "list[tuple[Instance, Driver]]":
    """The running instance that a command's options mean, if there is one. Of several one is asked for, or none is
    taken (CommandError). Works for a configuration that has become wrong as well: what runs must be reachable."""
    from vserver.commands.options import choose_one

    is_named = selection.name is not None or selection.config is not None
    found = _named(selection) if is_named else active(selection.scope)
    found = [one for one in found if selection.environment in (None, one[0].environment)]
    if len(found) <= 1:
        return found
    by_id = {one[0].id: one for one in found}
    if not ask:
        raise CommandError(
            f"{len(found)} servers are running: {', '.join(by_id)}",
            "Choose one with -e." if is_named else "Choose one with --name and -e.",
            ExitCode.USAGE,
        )
    return [by_id[choose_one("Which server?", [(name, name) for name in by_id])]]


def the_running_one(selection: "Selection", ask: bool) -> "tuple[Instance, Driver]":
    """The same where a command needs one; CommandError with what to do when none runs."""
    found = running(selection, ask)
    if found:
        return found[0]
    which = f"{selection.name or selection.config} is not running"
    if selection.name is None and selection.config is None:
        which = f"No server is running at {selection.scope} level"
    name = f" --name {selection.name}" if selection.name else ""
    level = " --user" if selection.user else ""
    raise CommandError(which, f"`vserver start{name}{level}` starts one; `vserver list` shows all.")


def _named(selection: "Selection") -> "list[tuple[Instance, Driver]]":
    from vserver.config.instance import find_configuration

    candidates = list(instances_of(find_configuration(selection.name, selection.config, selection.scope)))
    if selection.environment is not None and selection.environment not in {one.environment for one, _ in candidates}:
        selection.find(ask=False)  # says why there is none
    drivers = [(instance, driver_of(instance, settings)) for instance, settings in candidates]
    return [(instance, driver) for instance, driver in drivers if driver is not None and is_active(driver)]


def is_active(driver: "Driver") -> bool:
    """Whether anything of an instance runs; without an engine nothing of it can."""
    try:
        return driver.status().state != "stopped"
    except CommandError as error:
        if error.exit_code == ExitCode.UNREACHABLE:
            return False
        raise
