"""`vserver export`: the file that it writes, and what it refuses. What stands in an export: dataquality/jobs."""

import json
from collections.abc import Iterator

import pytest
import yaml

from support.accounts import throw_away_account
from support.importing import GOOD
from support.local import Home, new_home
from support.processes import free_port


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """The home of an ordinary user."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


@pytest.fixture(scope="module")
def instance(home: Home) -> Iterator[str]:
    """An instance that holds something and is stopped: that is cheaper, and nothing here asks the API."""
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite")
    (home.folder / "good.yaml").write_text(GOOD)
    for command in ("start -n NAME --user --driver local", "import FILE -n NAME --user", "stop -n NAME --user"):
        words = command.replace("FILE", str(home.folder / "good.yaml")).replace("NAME", name).split()
        done = home.vserver(*words)
        assert done.returncode == 0, done.stderr
    yield name


def test_without_output_the_export_goes_to_standard_output_and_all_else_to_standard_error(
    home: Home, instance: str
) -> None:
    done = home.vserver("export", "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in yaml.safe_load(done.stdout)["organizations"]] == ["root", "IKNL", "Small"]
    as_json = home.vserver("export", "-n", instance, "--user", "--format", "json")
    assert json.loads(as_json.stdout) == yaml.safe_load(done.stdout)


def test_a_file_is_written_for_its_owner_alone_and_never_over_another(home: Home, instance: str) -> None:
    file = home.folder / "out.yaml"
    done = home.vserver("export", "-n", instance, "--user", "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert ["users", "3"] in [line.split() for line in done.stdout.splitlines()]
    written = file.read_text()
    file.write_text("precious")
    refused = home.vserver("export", "-n", instance, "--user", "--output", str(file))
    assert (refused.returncode, "--force" in refused.stderr, file.read_text()) == (4, True, "precious")
    assert home.vserver("export", "-n", instance, "--user", "--output", str(file), "--force").returncode == 0
    assert file.read_text() == written
    assert [path.name for path in home.folder.glob(".out*")] == []


def test_a_link_in_its_place_is_not_followed(home: Home, instance: str) -> None:
    link, target = home.folder / "link.yaml", home.folder / "target"
    target.write_text("precious")
    link.symlink_to(target)
    assert home.vserver("export", "-n", instance, "--user", "--output", str(link)).returncode == 4
    assert home.vserver("export", "-n", instance, "--user", "--output", str(link), "--force").returncode == 0
    assert (target.read_text(), link.is_symlink()) == ("precious", False)


def test_json_tells_of_the_file(home: Home, instance: str) -> None:
    file = home.folder / "out.json"
    done = home.vserver("export", "-n", instance, "--user", "--output", str(file), "--json")
    data = json.loads(done.stdout)["data"]
    assert (data["file"], data["format"]) == (str(file), "json")
    counts = {"organizations": 3, "roles": 2, "users": 3, "collaborations": 1, "nodes": 2}
    assert data["exported"] == counts
    assert len(json.loads(file.read_text())["organizations"]) == 3


def test_what_cannot_be_written_or_means_nothing_is_said_before_anything_else(home: Home) -> None:
    cases = {
        ("--json",): "--json tells of a file that was written",
        ("--format", "xml"): "there is no format `xml`",
        ("--output", str(home.folder)): "this is a folder",
        ("--output", str(home.folder / "nowhere" / "x.yaml")): "its folder cannot be written to",
    }
    for arguments, said in cases.items():
        done = home.vserver("export", *arguments)
        assert (done.returncode, said in done.stdout + done.stderr) == (4, True)


def test_an_instance_that_was_never_started_has_nothing_to_export(home: Home) -> None:
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite")
    done = home.vserver("export", "-n", name, "--user")
    assert done.returncode == 1
    assert f"Start it first: `vserver start --name {name} -e dev --user`." in done.stderr
