"""Instances: which configuration and environment a command means, and where that keeps what is its own."""

import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vserver.config.folders import instance_folders, standard_folders
from vserver.config.names import APP, SCOPES, EnvironmentName, Scope, wrong_name
from vserver.config.reader import LoadedEnvironment, read_environment
from vserver.config.sections import Directories
from vserver.config.text import nearest, shown
from vserver.errors import CommandError, ConfigurationError, ExitCode, Problem

_SUFFIX = ".yaml"


@dataclass(frozen=True)
class ConfigurationFile:
    """A configuration, whether or not what stands in it is right."""

    name: str
    path: Path
    scope: Scope
    is_foreign: bool = False
    """Whether it lies outside the standard folders, so that its name may be another's as well."""

    @property
    def digest(self) -> str:
        """Short, and another for each path."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]


@dataclass(frozen=True)
class Instance:
    """One environment of one configuration, and its folders (which need not exist yet)."""

    scope: Scope
    name: str
    environment: EnvironmentName
    configuration: Path
    digest: str
    """Hash of the configuration's path where it lies outside the standard folders, else empty."""
    id: str
    """Name of the compose project, of folders of its own, and in labels. No two instances share it."""
    data_folder: Path
    """All that must survive; a relative SQLite path starts here."""
    log_folder: Path
    log_file: Path

    @property
    def options(self) -> str:
        """The options with which a command means this instance."""
        which = f"--config {shlex.quote(str(self.configuration))}" if self.digest else f"--name {self.name}"
        return f"{which} -e {self.environment}{' --user' if self.scope == 'user' else ''}"

    @property
    def run_folder(self) -> Path:
        """What a running instance keeps: sockets, process ids, generated configuration."""
        return self.data_folder / "run"

    @property
    def secrets_folder(self) -> Path:
        """What was generated and must be kept from others' eyes."""
        return self.data_folder / "secrets"


class Found(NamedTuple):
    """An instance together with its configuration."""

    instance: Instance
    loaded: LoadedEnvironment


class SeveralConfigurationsError(CommandError):
    """No name was given where there are several; a command with a terminal asks which one is meant."""

    def __init__(self, choices: list[ConfigurationFile]) -> None:
        names = ", ".join(choice.name for choice in choices)
        scope = choices[0].scope
        super().__init__(
            f"there are {len(choices)} configurations at {scope} level: {names}",
            "Choose one with --name",
            ExitCode.USAGE,
        )
        self.choices = choices


def find_instance(name: str | None, config: Path | None, environment: str | None, scope: Scope) -> Found:
    """The instance that a command's options mean: `config` wins over `name`, and without both the only one there is.

    Raises ConfigurationError for what the file holds, SeveralConfigurationsError, and CommandError when there is none.
    """
    file = find_configuration(name, config, scope)
    loaded = read_environment(file.path, environment)
    return Found(instance_of(file, loaded.name, loaded.settings.directories, loaded.settings.logging.file), loaded)


def find_configuration(name: str | None, config: Path | None, scope: Scope) -> ConfigurationFile:
    """The file that `--config`, `--name` and the scope mean, without looking into it."""
    if config is not None:
        return configuration_at(config, scope)
    if name is not None:
        return _named(name, scope)
    found = list(iter_configurations(scope))
    if len(found) > 1:
        raise SeveralConfigurationsError(found)
    if not found:
        folder = standard_folders(scope).configuration
        raise CommandError(
            f"there is no configuration at {scope} level, in {folder}", _elsewhere(scope), ExitCode.USAGE
        )
    return found[0]


def configuration_at(path: Path, scope: Scope) -> ConfigurationFile:
    """The configuration in a file. One in a standard folder is the same however it is named."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link and so change its name
    wrong = wrong_name(path.stem)
    if wrong:
        message = f"the file's name is the instance's, but it {wrong}"
        raise ConfigurationError([Problem(path, None, "", message, "Rename the file")])
    for candidate in (scope, *SCOPES):
        standard = _standard_path(path.stem, candidate)
        if path == standard or _same_place(path, standard):
            return ConfigurationFile(path.stem, standard, candidate)
    return ConfigurationFile(path.stem, path.parent.resolve() / path.name, scope, is_foreign=True)


def iter_configurations(scope: Scope) -> Iterator[ConfigurationFile]:
    """The configurations of a scope, by name."""
    folder = standard_folders(scope).configuration
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        if not wrong_name(path.stem):
            yield ConfigurationFile(path.stem, path, scope)


def instance_of(
    file: ConfigurationFile,
    environment: EnvironmentName,
    directories: Directories | None = None,
    log_name: str | None = None,
) -> Instance:
    """The instance of an environment; without `directories` where it is by default."""
    slug = re.sub(r"[^a-z0-9_-]", "-", file.name.lower())
    own = "-".join((APP, slug, environment, file.scope))
    log_folder = (directories and directories.log) or instance_folders(file.scope).log
    tail = f"-{file.digest}" if file.is_foreign else ""
    return Instance(
        scope=file.scope,
        name=file.name,
        environment=environment,
        configuration=file.path,
        digest=file.digest if file.is_foreign else "",
        id=own if slug == file.name and not file.is_foreign else f"{own}-{file.digest}",
        data_folder=_data_root(file, directories) / environment,
        log_folder=log_folder,
        log_file=log_folder / (log_name or f"{file.name}-{environment}-{file.scope}{tail}.log"),
    )


def _data_root(file: ConfigurationFile, directories: Directories | None) -> Path:
    """A folder of the operator's choice may serve both scopes, so the scope is told apart inside."""
    tail = f"-{file.digest}" if file.is_foreign else ""
    if directories and directories.data:
        return directories.data / f"{file.name}-{file.scope}{tail}"
    return instance_folders(file.scope).data / f"{file.name}{tail}"


def _standard_path(name: str, scope: Scope) -> Path:
    return standard_folders(scope).configuration / f"{name}{_SUFFIX}"


def _same_place(path: Path, standard: Path) -> bool:
    return path.name == standard.name and path.parent.resolve() == standard.parent.resolve()


def _named(name: str, scope: Scope) -> ConfigurationFile:
    wrong = wrong_name(name)
    if wrong:
        hint = "Name a file with --config" if "/" in name or "\\" in name else None
        raise CommandError(f"the name '{shown(name)}' cannot be: it {wrong}", hint, ExitCode.USAGE)
    standard = _standard_path(name, scope)
    here = Path.cwd() / standard.name
    if not _exists(standard) and _exists(here):
        return configuration_at(here, scope)
    if not _exists(standard):
        message = f"there is no configuration {name} at {scope} level: no file {standard}"
        raise CommandError(message, _elsewhere(scope, name), ExitCode.USAGE)
    return ConfigurationFile(name, standard, scope)


def _exists(path: Path) -> bool:
    """A folder that may not be looked into counts as if it held the file: reading it tells the cause."""
    try:
        return path.exists()
    except PermissionError:
        return True


def _elsewhere(scope: Scope, name: str | None = None) -> str:
    """What to do when a configuration is not where it was looked for."""
    names = [file.name for file in iter_configurations(scope)]
    stem = (name or "").removesuffix(_SUFFIX)
    other: Scope = "user" if scope == "system" else "system"
    others = [file.name for file in iter_configurations(other)]
    if name and stem in names:
        return f"Leave out {_SUFFIX}: --name {stem}"
    if name in others or (name is None and others):
        return f"There is one at {other} level: add --{other}"
    close = nearest(name, names) if name else None
    if close:
        return f"Did you mean {close}?"
    if names:
        return f"There are: {', '.join(names)}"
    return f"Put one there as <name>{_SUFFIX}, or name a file with --config"
