"""Which driver an instance runs under, and that it never changes in silence."""

import os
from pathlib import Path

import pytest

from vserver.config.instance import Found, find_instance
from vserver.errors import CommandError, ExitCode
from vserver.stack.choose import choose_driver, current_driver, driver_named, engine_answers, last_driver, remember


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home on a machine without Docker."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("VSERVER_DRIVER", raising=False)
    return tmp_path


def found(home: Path, keys: str = "") -> Found:
    file = home / "server.yaml"
    file.write_text(f"environments:\n  dev:\n    port: 5010\n{keys}")
    return find_instance(None, file, None, "user")


def chosen(item: Found, asked: str | None = None) -> str:
    return choose_driver(item.instance, item.loaded.settings, asked).name


def has_run_under(item: Found, name: str) -> None:
    item.instance.data_folder.mkdir(parents=True)
    assert name in {"local", "compose"}
    remember(item.instance, driver_named("local" if name == "local" else "compose", item.instance, None))


def docker_that(home: Path, code: int) -> None:
    program = home / "bin" / "docker"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)


def test_without_an_engine_it_is_local_and_says_so_in_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen(found(home)) == "local"
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "no Docker engine answers" in said.err
    assert said.out == ""


@pytest.mark.parametrize(("code", "driver"), [(0, "compose"), (1, "local")])
def test_an_engine_counts_only_when_it_answers(home: Path, code: int, driver: str) -> None:
    docker_that(home, code)
    assert engine_answers() == (code == 0)
    assert chosen(found(home)) == driver


def test_the_option_wins_over_the_variable_and_that_over_the_configuration(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chosen(found(home, "    driver: compose\n")) == "compose"
    monkeypatch.setenv("VSERVER_DRIVER", "local")
    assert chosen(found(home, "    driver: compose\n")) == "local"
    assert chosen(found(home, "    driver: compose\n"), "compose") == "compose"
    assert capsys.readouterr().err == ""


def test_a_driver_that_there_is_not_is_an_error_that_names_those_there_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="there is no driver `docker`") as caught:
        chosen(found(home), "docker")
    assert "compose or local" in (caught.value.hint or "")
    monkeypatch.setenv("VSERVER_DRIVER", "podman")
    with pytest.raises(CommandError, match="VSERVER_DRIVER"):
        chosen(found(home))


def test_an_instance_stays_with_its_driver_when_an_engine_appears(home: Path) -> None:
    item = found(home)
    has_run_under(item, "local")
    docker_that(home, 0)
    assert chosen(item) == "local"


def test_another_driver_is_refused_while_the_stacks_own_database_lies_under_the_first(home: Path) -> None:
    item = found(home)
    has_run_under(item, "local")
    with pytest.raises(CommandError, match="has its database under the driver local") as caught:
        chosen(item, "compose")
    assert caught.value.exit_code == ExitCode.USAGE


def test_another_driver_is_taken_when_the_database_is_found_by_both_and_nothing_runs(home: Path) -> None:
    item = found(home, "    uri: postgresql://u:p@db.example/x\n")
    has_run_under(item, "local")
    assert chosen(item, "compose") == "compose"


def test_what_never_ran_has_no_driver(home: Path) -> None:
    item = found(home)
    assert last_driver(item.instance) is None
    assert current_driver(item.instance, None) is None
    remember(item.instance, driver_named("local", item.instance, None))
    assert not item.instance.data_folder.exists(), "no data folder is made just to remember"


def test_what_stands_in_the_file_and_is_no_driver_counts_as_none(home: Path) -> None:
    item = found(home)
    item.instance.data_folder.mkdir(parents=True)
    (item.instance.data_folder / "driver").write_text("nonsense\n")
    assert last_driver(item.instance) is None
    assert os.listdir(item.instance.data_folder) == ["driver"]
