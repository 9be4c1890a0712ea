from collections.abc import Callable
from pathlib import Path

import pytest

WriteConfiguration = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteConfiguration:
    """Write a configuration file and get its path."""

    def write_configuration(text: str) -> Path:
        path = tmp_path / "server.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_configuration


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of one's own: standard folders of both scopes, and the current directory, lie in it."""
    for variable, folder in {
        "XDG_CONFIG_DIRS": "etc",
        "XDG_DATA_DIRS": "share",
        "XDG_CONFIG_HOME": "home/config",
        "XDG_DATA_HOME": "home/data",
        "XDG_CACHE_HOME": "home/cache",
    }.items():
        monkeypatch.setenv(variable, str(tmp_path / folder))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path
