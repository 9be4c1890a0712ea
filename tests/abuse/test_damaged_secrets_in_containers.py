"""The same under Docker: by the command, and by plain `docker compose up`."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.abuse.secrets import SAID, Damage, KeptSecrets
from support.compose import docker, require_engine
from support.local import Home, new_home
from support.processes import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

OWN_PASSWORD = "postgres_password"
DATABASES = {"Postgres": "", "SQLite": "uri: sqlite:///data.sqlite\n"}


@dataclass(frozen=True)
class StoppedContainers:
    """An instance that has run under Docker, and whose secrets a test may damage."""

    home: Home
    name: str
    kept: KeptSecrets

    def vserver(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command about the instance."""
        return self.home.vserver(*words, "-n", self.name, "--user", VSERVER_DRIVER="compose")

    def compose(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Plain `docker compose` with the instance's file."""
        file = self.kept.folder.parent / "compose" / "compose.yaml"
        command = ["docker", "compose", "-f", str(file), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    def running(self) -> list[str]:
        """The services of which a container runs."""
        return self.compose("ps", "--services", "--status", "running").stdout.split()

    def assert_refused(self, names: list[str], what: str) -> str:
        """Start it, and see that it names these secrets, and that nothing of it runs; what it said."""
        done = self.vserver("start")
        assert done.returncode == 1, done.stdout + done.stderr
        for name in names:
            assert f"{self.kept.folder}/{name}: {what}" in done.stderr
        assert not docker("ps", "-aq", "--filter", f"label=dataquality.name={self.name}").split()
        return done.stderr


@pytest.fixture(scope="module", params=DATABASES)
def instance(request: pytest.FixtureRequest) -> Iterator[StoppedContainers]:
    require_engine()
    with new_home() as home:
        name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\n{DATABASES[request.param]}")
        kept = Path(home.folder, "data", "dataquality", "server", name, "dev", "secrets")
        made = StoppedContainers(home, name, KeptSecrets(kept))
        try:
            done = made.vserver("start")
            assert done.returncode == 0, done.stderr
            assert made.vserver("stop").returncode == 0
            yield made
        finally:
            made.compose("down", "--volumes", "--remove-orphans", "--timeout=5")


@pytest.mark.parametrize("how", SAID)
def test_start_refuses_each_secret_that_was_damaged(instance: StoppedContainers, how: Damage) -> None:
    names = instance.kept.names()
    with instance.kept.put_back_later():
        instance.kept.damage(names, how)
        said = instance.assert_refused(names, SAID[how])
    assert "a new api_key_pepper shuts out every node" in said


def test_start_refuses_secrets_of_another_instance(instance: StoppedContainers) -> None:
    names = [name for name in instance.kept.names() if name != OWN_PASSWORD]
    with instance.kept.put_back_later():
        instance.kept.replace(names)
        instance.kept.forget_fingerprints()
        instance.assert_refused(names, "another secret: not the one that this database was used with")


@pytest.mark.parametrize("instance", ["Postgres"], indirect=True)
def test_start_refuses_the_password_of_another_database(instance: StoppedContainers) -> None:
    with instance.kept.put_back_later():
        instance.kept.replace([OWN_PASSWORD])
        said = instance.assert_refused([OWN_PASSWORD], "another secret: the database was made with another password")
    assert "uri" not in said


def test_plain_compose_refuses_too(instance: StoppedContainers) -> None:
    with instance.kept.put_back_later():
        instance.kept.damage(["api_key_pepper"], "missing")
        try:
            assert instance.compose("up", "--detach", "--wait").returncode != 0
            assert instance.running() == []
            log = instance.compose("logs", "--no-log-prefix", "secrets").stdout
            assert f"{instance.kept.folder}/api_key_pepper: missing" in log
            assert not (instance.kept.folder / "api_key_pepper").exists()
        finally:
            instance.compose("down", "--timeout=5")


def test_instance_starts_with_secrets_that_were_renewed(instance: StoppedContainers) -> None:
    names = instance.kept.names()
    instance.kept.damage(names, "missing")
    done = instance.vserver("secret", "renew", *names, "--json")
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["data"]["renewed"]) == names
    assert not [value for value in instance.kept.values().values() if value in done.stdout + done.stderr]
    try:
        started = instance.vserver("start")
        assert started.returncode == 0, started.stderr
    finally:
        instance.vserver("stop")
