"""An instance whose secrets were damaged does not start, and says which ones, where they lie and what to do."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.abuse.secrets import SAID, Damage, KeptSecrets
from support.abuse.stack import AttackedStack, attacked_stack
from support.local import words_below

OWN_PASSWORD = "postgres_password"
DATABASES = {"Postgres": "", "SQLite": "uri: sqlite:///data.sqlite\n"}


@dataclass(frozen=True)
class StoppedInstance:
    """An instance that has run, and whose secrets a test may damage."""

    stack: AttackedStack
    kept: KeptSecrets

    def start(self) -> "subprocess.CompletedProcess[str]":
        """Try to start it."""
        return self.stack.home.vserver("start", "-n", self.stack.name, "--user")

    def renew(self, *names: str) -> "subprocess.CompletedProcess[str]":
        """Have these secrets made anew."""
        return self.stack.home.vserver("secret", "renew", *names, "-n", self.stack.name, "--user")

    def assert_refused(self, said: dict[str, str]) -> str:
        """Start it, and see that it names these secrets, and that nothing of it runs; what it said."""
        done = self.start()
        assert done.returncode == 1, done.stdout + done.stderr
        for name, what in said.items():
            assert f"{self.kept.folder}/{name}: {what}" in done.stderr
        status = self.stack.home.vserver("status", "-n", self.stack.name, "--user")
        assert status.returncode == 1
        for name in said:
            assert f"{self.kept.folder}/{name}: " in status.stdout
        assert not words_below(self.stack.home.folder)
        return done.stderr


@pytest.fixture(scope="module", params=DATABASES)
def instance(request: pytest.FixtureRequest) -> Iterator[StoppedInstance]:
    with attacked_stack(DATABASES[request.param]) as stack:
        stack.home.vserver("stop", "-n", stack.name, "--user")
        (kept,) = stack.home.folder.rglob("dev/secrets")
        yield StoppedInstance(stack, KeptSecrets(kept))


@pytest.mark.parametrize("how", SAID)
def test_start_refuses_each_secret_that_was_damaged(instance: StoppedInstance, how: Damage) -> None:
    names = instance.kept.names()
    with instance.kept.put_back_later():
        instance.kept.damage(names, how)
        before = {path: path.read_bytes() for path in instance.kept.folder.iterdir()}
        said = instance.assert_refused(dict.fromkeys(names, SAID[how]))
        assert {path: path.read_bytes() for path in instance.kept.folder.iterdir()} == before, "nothing is made anew"
    assert "`vserver secret renew " in said
    assert "a new api_key_pepper shuts out every node" in said


def test_start_makes_no_secret_for_a_database_that_exists(instance: StoppedInstance) -> None:
    """Whether or not the fingerprints beside the secrets are still there."""
    names = instance.kept.names()
    with instance.kept.put_back_later():
        instance.kept.damage(names, "missing")
        instance.kept.forget_fingerprints()
        instance.assert_refused(dict.fromkeys(names, SAID["missing"]))
        assert instance.kept.names() == []


def test_start_refuses_secrets_of_another_instance(instance: StoppedInstance) -> None:
    names = [name for name in instance.kept.names() if name != OWN_PASSWORD]
    with instance.kept.put_back_later():
        instance.kept.replace(names)
        instance.assert_refused(dict.fromkeys(names, "another secret: not the one that this database was used with"))
        instance.kept.forget_fingerprints()
        assert instance.start().returncode == 1, "the database knows"


@pytest.mark.parametrize("instance", ["Postgres"], indirect=True)
def test_start_refuses_the_password_of_another_database(instance: StoppedInstance) -> None:
    with instance.kept.put_back_later():
        instance.kept.replace([OWN_PASSWORD])
        said = instance.assert_refused({OWN_PASSWORD: "another secret: the database was made with another password"})
    assert "uri" not in said
    assert "shuts out nobody" in said


def test_instance_starts_once_its_secrets_are_put_back(instance: StoppedInstance) -> None:
    with instance.kept.put_back_later():
        instance.kept.damage(instance.kept.names(), "missing")
        assert instance.start().returncode == 1
    try:
        done = instance.start()
        assert done.returncode == 0, done.stderr
        with instance.kept.put_back_later():
            instance.kept.damage(["api_key_pepper"], "empty")
            status = instance.stack.home.vserver("status", "-n", instance.stack.name, "--user")
            assert status.returncode == 1
            assert ": running" in status.stdout
            assert f"{instance.kept.folder}/api_key_pepper: empty" in status.stdout
    finally:
        instance.stack.home.vserver("stop", "-n", instance.stack.name, "--user")


def test_renewing_one_of_two_lost_secrets_is_refused_by_the_others_name(instance: StoppedInstance) -> None:
    with instance.kept.put_back_later():
        instance.kept.damage(["reset_key", "service_key"], "missing")
        done = instance.renew("reset_key")
        assert done.returncode == 1
        assert "secret renew service_key reset_key " in done.stderr
        assert not (instance.kept.folder / "reset_key").exists()


def test_instance_starts_with_secrets_that_were_renewed(instance: StoppedInstance) -> None:
    names = instance.kept.names()
    before = instance.kept.values()
    instance.kept.damage(names, "missing")
    done = instance.renew(*names)
    assert done.returncode == 0, done.stderr
    assert not set(before.values()) & set(instance.kept.values().values())
    assert not [value for value in instance.kept.values().values() if value in done.stdout + done.stderr]
    try:
        started = instance.start()
        assert started.returncode == 0, started.stderr
    finally:
        instance.stack.home.vserver("stop", "-n", instance.stack.name, "--user")
