"""Which instance a command's options mean, and that no two share a name or a folder."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from vserver.config.instance import (
    Instance,
    SeveralConfigurationsError,
    configuration_at,
    find_configuration,
    find_instance,
    instance_of,
    iter_configurations,
)
from vserver.config.names import Scope
from vserver.errors import CommandError, ConfigurationError, ExitCode

MINIMAL = "environments: {prod: {port: 5000}, test: {port: 5001}}\n"
FOLDERS: dict[Scope, str] = {"system": "etc/dataquality/server", "user": "home/config/dataquality/server"}


def put(home: Path, name: str, scope: Scope = "system", text: str = MINIMAL) -> Path:
    return put_at(home / FOLDERS[scope] / f"{name}.yaml", text)


def put_at(path: Path, text: str = MINIMAL) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_name_means_the_file_in_the_folder_of_its_scope(home: Path) -> None:
    path = put(home, "demo", "user")
    instance, loaded = find_instance("demo", None, "test", "user")
    assert (instance.configuration, instance.name, instance.environment) == (path, "demo", "test")
    assert instance.id == "dataquality-demo-test-user"
    assert instance.data_folder == home / "home/data/dataquality/server/demo/test"
    assert instance.run_folder == instance.data_folder / "run"
    assert instance.log_file == home / "home/cache/dataquality/log/server/demo-test-user.log"
    assert loaded.settings.port == 5001


def test_the_log_is_called_what_the_configuration_calls_it(home: Path) -> None:
    put(home, "demo", text="application: {logging: {file: my.log}}")
    assert find_instance("demo", None, None, "system").instance.log_file == home / "share/dataquality/server/my.log"


def test_the_only_configuration_needs_no_name(home: Path) -> None:
    put(home, "demo")
    assert find_instance(None, None, None, "system").instance.id == "dataquality-demo-prod-system"


def test_among_several_configurations_one_must_be_named(home: Path) -> None:
    put(home, "b")
    put(home, "a")
    put(home, "other", "user")
    with pytest.raises(SeveralConfigurationsError, match="there are 2 configurations at system level: a, b") as caught:
        find_instance(None, None, None, "system")
    assert [choice.name for choice in caught.value.choices] == ["a", "b"]
    assert (caught.value.hint, caught.value.exit_code) == ("Choose one with --name", ExitCode.USAGE)


def test_a_given_file_wins_over_a_name(home: Path) -> None:
    put(home, "demo")
    path = put_at(home / "elsewhere" / "mine.yml")
    instance = find_instance("demo", path, "prod", "system").instance
    assert (instance.name, instance.configuration) == ("mine", path)
    assert re.fullmatch(r"dataquality-mine-prod-system-[0-9a-f]{8}", instance.id)
    assert instance.data_folder == home / f"share/dataquality/server/mine-{instance.digest}/prod"
    assert instance.log_file.name == f"mine-prod-system-{instance.digest}.log"


def test_a_given_file_may_be_relative_to_the_current_folder(home: Path) -> None:
    path = put_at(home / "work" / "mine.yaml")
    assert find_instance(None, Path("mine.yaml"), None, "user").instance.configuration == path


@pytest.mark.parametrize("asked", ["system", "user"])
def test_a_file_in_a_standard_folder_is_one_instance_however_it_is_named(home: Path, asked: Scope) -> None:
    path = put(home, "demo", "user")
    by_name = find_instance("demo", None, "prod", "user").instance
    assert find_instance(None, path, "prod", asked).instance == by_name
    (home / "link").symlink_to(path.parent)
    assert find_instance(None, home / "link" / "demo.yaml", "prod", asked).instance == by_name


def test_a_name_that_no_folder_knows_may_be_a_file_in_the_current_folder(home: Path) -> None:
    path = put_at(home / "work" / "mine.yaml")
    instance = find_instance("mine", None, None, "system").instance
    assert (instance.configuration, bool(instance.digest)) == (path, True)


def test_folders_of_the_operators_choice_hold_each_instance_apart(home: Path) -> None:
    text = f"application: {{directories: {{data: {home}/d, log: {home}/l}}}}"
    put(home, "demo", "system", text)
    put(home, "demo", "user", text)
    system = find_instance("demo", None, None, "system").instance
    user = find_instance("demo", None, None, "user").instance
    assert (system.data_folder, user.data_folder) == (
        home / "d/demo-system/application",
        home / "d/demo-user/application",
    )
    assert system.log_file == home / "l/demo-application-system.log"


def test_no_two_instances_share_a_name_or_a_folder(home: Path) -> None:
    paths = [put(home, name, scope) for name in ("a.b", "a-b", "A-b", "a", "A") for scope in FOLDERS]
    paths += [put_at(home / folder / "a.yaml") for folder in ("x", "y")]
    instances: list[Instance] = [
        instance_of(configuration_at(path, "system"), environment)
        for path in paths
        for environment in ("application", "prod", "acc", "test", "dev")
    ]
    for one, other in combinations(instances, 2):
        assert one.id != other.id
        assert one.log_file != other.log_file
        assert one.data_folder != other.data_folder
        assert one.data_folder not in other.data_folder.parents
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", instance.id) for instance in instances)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my server", "may hold only letters"),
        ("../etc", "may hold only letters"),
        ("", "may hold only letters"),
        ("naïve", "may hold only letters"),
        ("a\n", "may hold only letters"),
        ("..", "may not consist of dots alone"),
        ("x" * 65, "may be at most 64 characters long"),
    ],
)
def test_a_name_that_cannot_name_folders_is_refused(home: Path, name: str, message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        find_instance(name, None, None, "system")
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_file_whose_name_cannot_name_folders_is_refused(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="the file's name is the instance's, but it may hold only letters"):
        find_instance(None, put_at(home / "my server.yaml"), None, "system")


def test_a_configuration_that_is_not_there_is_refused_with_where_it_was_looked_for(home: Path) -> None:
    with pytest.raises(CommandError) as caught:
        find_instance("demo", None, None, "system")
    standard = home / FOLDERS["system"] / "demo.yaml"
    assert caught.value.message == f"there is no configuration demo at system level: no file {standard}"
    assert caught.value.hint == "Put one there as <name>.yaml, or name a file with --config"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("demo", "There is one at user level: add --user"),
        ("main.yaml", "Leave out .yaml: --name main"),
        ("mian", "Did you mean main?"),
        ("something", "There are: main"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_what_may_be_meant(home: Path, name: str, hint: str) -> None:
    put(home, "main", "system")
    put(home, "demo", "user")
    with pytest.raises(CommandError) as caught:
        find_instance(name, None, None, "system")
    assert caught.value.hint == hint


def test_without_any_configuration_the_other_scope_is_pointed_at(home: Path) -> None:
    put(home, "demo", "user")
    with pytest.raises(CommandError) as caught:
        find_instance(None, None, None, "system")
    assert caught.value.hint == "There is one at user level: add --user"


def test_a_file_that_is_not_there_is_refused(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        find_instance(None, home / "absent.yaml", None, "system")


def test_a_broken_configuration_is_still_found_and_listed(home: Path) -> None:
    path = put(home, "demo", "user", "no: [yaml")
    assert find_configuration("demo", None, "user").path == path
    assert [file.name for file in iter_configurations("user")] == ["demo"]
