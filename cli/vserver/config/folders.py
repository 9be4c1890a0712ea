"""Where configurations, data and logs stand on each operating system.

platformdirs is not used: it looks for logs and for macOS' shared folders elsewhere than the contract says.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from vserver import account
from vserver.config.names import APP, Scope

_PRODUCT = PurePath(APP, "server")


@dataclass(frozen=True)
class StandardFolders:
    """The folders of all instances of one scope."""

    configuration: Path
    data: Path
    log: Path


def standard_folders(
    scope: Scope,
    platform: str = sys.platform,
    variables: Mapping[str, str] | None = None,
    home: str | None = None,
) -> StandardFolders:
    """The folders of a scope; by default those of this machine and user. They need not exist."""
    variables = os.environ if variables is None else variables
    home = os.path.expanduser("~") if home is None else home  # noqa: PTH111 - Path.home() fails where there is none
    if platform == "win32":
        found = _windows(scope, variables, PureWindowsPath(home))
    elif platform == "darwin":
        found = _macos(scope, PurePosixPath(home))
    else:
        found = _linux(scope, variables, PurePosixPath(home))
    configuration, data, log = found
    return StandardFolders(Path(str(configuration)), Path(str(data)), Path(str(log)))


def instance_folders(scope: Scope) -> StandardFolders:
    """Where instances keep data and logs: the standard folders, but for what root keeps to itself.

    What root starts at user level runs as an account of its own, which root's home usually does not let in; then its
    data and logs stand below that account's folder. A folder that an XDG variable names is taken as it is.
    """
    found = standard_folders(scope)
    if scope == "system" or not account.is_root():
        return found
    return replace(
        found,
        data=_entered("XDG_DATA_HOME", found.data, "data"),
        log=_entered("XDG_CACHE_HOME", found.log, "log"),
    )


def _entered(variable: str, folder: Path, name: str) -> Path:
    is_chosen = PurePosixPath(os.environ.get(variable, "")).is_absolute()
    if is_chosen or account.open_to_all(folder):
        return folder
    return account.HOME / "root" / name


def _linux(scope: Scope, variables: Mapping[str, str], home: PurePosixPath) -> tuple[PurePath, ...]:
    if scope == "system":
        configuration = _first_of("XDG_CONFIG_DIRS", variables, "/etc/xdg")
        data = _first_of("XDG_DATA_DIRS", variables, "/usr/local/share")
        return configuration / _PRODUCT, data / _PRODUCT, data / _PRODUCT
    return (
        _xdg("XDG_CONFIG_HOME", variables, home / ".config") / _PRODUCT,
        _xdg("XDG_DATA_HOME", variables, home / ".local" / "share") / _PRODUCT,
        _xdg("XDG_CACHE_HOME", variables, home / ".cache") / APP / "log" / "server",
    )


def user_folder(variable: str, default: Path) -> Path:
    """The folder that an XDG variable names, or the default."""
    return Path(_xdg(variable, os.environ, PurePosixPath(default)))


def _xdg(variable: str, variables: Mapping[str, str], default: PurePosixPath) -> PurePosixPath:
    """The XDG specification has relative paths ignored."""
    value = PurePosixPath(variables.get(variable, ""))
    return value if value.is_absolute() else default


def _first_of(variable: str, variables: Mapping[str, str], default: str) -> PurePosixPath:
    """The default wins where it is listed: a desktop puts its own folders in front of it, sudo takes them away, and
    an instance must not move between the two."""
    listed = [PurePosixPath(entry) for entry in variables.get(variable, "").split(":")]
    standard = PurePosixPath(default)
    absolute = [entry for entry in listed if entry.is_absolute()]
    return absolute[0] if absolute and standard not in absolute else standard


def _macos(scope: Scope, home: PurePosixPath) -> tuple[PurePath, ...]:
    if scope == "system":
        folder = PurePosixPath("/Library/Application Support") / _PRODUCT
        return folder, folder, folder
    folder = home / "Library" / "Application Support" / _PRODUCT
    return folder, folder, home / "Library" / "Logs" / _PRODUCT


def _windows(scope: Scope, variables: Mapping[str, str], home: PureWindowsPath) -> tuple[PurePath, ...]:
    if scope == "system":
        folder = PureWindowsPath(variables.get("PROGRAMDATA") or r"C:\ProgramData") / _PRODUCT
        return folder, folder, folder
    local = PureWindowsPath(variables.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return local / _PRODUCT, local / _PRODUCT, local / APP / "Logs" / "server"
