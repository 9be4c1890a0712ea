"""The table of folders, row by row."""

import pytest

from vserver.config.folders import standard_folders
from vserver.config.names import Scope

SUPPORT = "Library/Application Support/dataquality/server"
LOCAL = r"C:\Users\u\AppData\Local"
XDG = {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/l"}

TABLE: list[tuple[str, Scope, dict[str, str], str, str, str]] = [
    (
        "linux",
        "system",
        {},
        "/etc/xdg/dataquality/server",
        "/usr/local/share/dataquality/server",
        "/usr/local/share/dataquality/server",
    ),
    (
        "linux",
        "user",
        {},
        "/home/u/.config/dataquality/server",
        "/home/u/.local/share/dataquality/server",
        "/home/u/.cache/dataquality/log/server",
    ),
    ("linux", "user", XDG, "/c/dataquality/server", "/d/dataquality/server", "/l/dataquality/log/server"),
    (
        "linux",
        "system",
        {"XDG_CONFIG_DIRS": "/c:/e", "XDG_DATA_DIRS": "relative:/d"},
        "/c/dataquality/server",
        "/d/dataquality/server",
        "/d/dataquality/server",
    ),
    (
        "linux",
        "user",
        {"XDG_CONFIG_HOME": "relative", "XDG_DATA_HOME": ""},
        "/home/u/.config/dataquality/server",
        "/home/u/.local/share/dataquality/server",
        "/home/u/.cache/dataquality/log/server",
    ),
    ("darwin", "system", XDG, f"/{SUPPORT}", f"/{SUPPORT}", f"/{SUPPORT}"),
    ("darwin", "user", XDG, f"/home/u/{SUPPORT}", f"/home/u/{SUPPORT}", "/home/u/Library/Logs/dataquality/server"),
    (
        "win32",
        "system",
        {},
        r"C:\ProgramData\dataquality\server",
        r"C:\ProgramData\dataquality\server",
        r"C:\ProgramData\dataquality\server",
    ),
    (
        "win32",
        "user",
        {"LOCALAPPDATA": LOCAL},
        rf"{LOCAL}\dataquality\server",
        rf"{LOCAL}\dataquality\server",
        rf"{LOCAL}\dataquality\Logs\server",
    ),
]


@pytest.mark.parametrize(("platform", "scope", "variables", "configuration", "data", "log"), TABLE)
def test_each_system_has_the_folders_of_the_table(
    platform: str, scope: Scope, variables: dict[str, str], configuration: str, data: str, log: str
) -> None:
    folders = standard_folders(scope, platform, variables, "/home/u")
    assert (str(folders.configuration), str(folders.data), str(folders.log)) == (configuration, data, log)


def test_a_desktops_folders_do_not_move_the_systems_instances() -> None:
    desktop = {"XDG_CONFIG_DIRS": "/etc/xdg/xdg-ubuntu:/etc/xdg", "XDG_DATA_DIRS": "/usr/share/x:/usr/local/share/"}
    assert standard_folders("system", "linux", desktop, "/home/u") == standard_folders("system", "linux", {}, "/home/u")
