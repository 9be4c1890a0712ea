"""`vserver image`: build, load and show."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.accounts import throw_away_account
from support.compose import docker, require_engine


def vserver(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "vserver", "image", *arguments],
        capture_output=True, text=True, check=False, timeout=600, env=os.environ | variables,
    )  # fmt: skip


def test_without_docker_it_says_what_to_do(tmp_path: Path) -> None:
    done = vserver("show", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "there is no `docker` command" in done.stderr
    assert "hint: Install Docker" in done.stderr


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = vserver("load", str(tmp_path / "no.tar"))
    assert done.returncode == 4
    assert "no.tar: there is no such file" in done.stderr


@pytest.mark.docker
def test_a_built_image_is_shown_as_built_from_this_installation() -> None:
    require_engine()
    tag = "dataquality-test-image:1"
    try:
        done = vserver("build", "--tag", tag, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["data"] == {"image": tag}
        labels = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", tag))
        assert labels["org.opencontainers.image.version"]
        assert labels["dataquality.fingerprint"] != "unknown"
        assert docker("image", "inspect", "-f", "{{.Config.User}}", tag).strip() == "10001:10001"
        works = docker("run", "--rm", "--read-only", "--cap-drop=ALL", "--network=none", tag, "vserver", "--help")
        assert "Usage: vserver" in works
    finally:
        subprocess.run(["docker", "image", "rm", tag], capture_output=True, check=False)


@pytest.mark.docker
def test_images_are_loaded_from_an_archive_and_a_wrong_file_is_refused(tmp_path: Path) -> None:
    require_engine()
    docker("tag", "redis:8", "dataquality-test-load:1")
    archive = tmp_path / "images.tar"
    docker("save", "--output", str(archive), "dataquality-test-load:1")
    docker("image", "rm", "dataquality-test-load:1")
    try:
        done = vserver("load", str(archive), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["data"]["images"] == ["dataquality-test-load:1"]
        assert docker("image", "inspect", "-f", "{{.Id}}", "dataquality-test-load:1")
    finally:
        subprocess.run(["docker", "image", "rm", "dataquality-test-load:1"], capture_output=True, check=False)
    archive.write_text("no archive")
    done = vserver("load", str(archive))
    assert done.returncode == 1
    assert "could not load" in done.stderr
    assert "hint: " in done.stderr


@pytest.mark.docker
@pytest.mark.root
def test_who_may_not_use_the_engine_is_told_so() -> None:
    require_engine()
    with throw_away_account() as account:
        if account is None:
            pytest.skip("needs to be run as root")
        done = subprocess.run(
            [sys.executable, "-m", "vserver", "image", "show"], capture_output=True, text=True, check=False,
            timeout=120, cwd="/", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            user=account.pw_uid, group=account.pw_gid, extra_groups=[],
        )  # fmt: skip
    assert done.returncode == 2
    assert "may not use the Docker engine" in done.stderr
    assert "usermod -aG docker" in done.stderr
