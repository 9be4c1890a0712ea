"""What is put into the kept folder, together with the real secrets job."""

import subprocess
import sys
from pathlib import Path

import pytest

from vserver.errors import CommandError
from vserver.stack.plan import Component, Plan, PythonModule, SecretGuard, SecretPlan
from vserver.stack.secrets import SECRETS_MODULE, Reader, keep_given, refuse_weak, specification

UUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


GUARD = SecretGuard(None, "w", "vserver secret renew {names} -n x")


def plan_with(given: dict[str, str], environment: str = "dev", guard: SecretGuard | None = None) -> Plan:
    secrets = SecretPlan(("jwt_secret_key", "redis_password"), given, {"database_url": "own:{redis_password}"}, guard)
    names = ("jwt_secret_key", "database_url")
    reader = Component("auth", PythonModule("x"), {"DATAQUALITY_ENVIRONMENT": environment}, names)
    return Plan("i", (reader, Component("gateway", PythonModule("x"))), secrets, None, "c", "d", "l")


def laid_out(folder: Path, given: dict[str, str]) -> dict[str, str]:
    plan, kept, target = plan_with(given), folder / "secrets", folder / "auth"
    keep_given(kept, plan.secrets)
    spec = specification(plan, {"auth": Reader(target)})
    for value in given.values():
        assert value not in spec
    subprocess.run([sys.executable, "-m", SECRETS_MODULE, "--kept", str(kept), "--spec", spec], check=True)
    return {path.name: path.read_text() for path in target.iterdir()}


def test_a_given_secret_wins_until_it_leaves_the_configuration(tmp_path: Path) -> None:
    assert laid_out(tmp_path, {"database_url": "from-the-file"})["database_url"] == "from-the-file"
    assert laid_out(tmp_path, {})["database_url"].startswith("own:")


def test_a_generated_secret_stays_the_same(tmp_path: Path) -> None:
    assert laid_out(tmp_path, {}) == laid_out(tmp_path, {})


def test_a_signing_secret_stays_though_its_key_leaves_the_configuration(tmp_path: Path) -> None:
    laid_out(tmp_path, {"jwt_secret_key": "from-the-file"})
    assert laid_out(tmp_path, {})["jwt_secret_key"] == "from-the-file"
    assert laid_out(tmp_path, {"jwt_secret_key": "another"})["jwt_secret_key"] == "another"


def test_kept_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    laid_out(tmp_path, {"database_url": "from-the-file"})
    kept = tmp_path / "secrets"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}


def test_a_link_in_the_place_of_a_secret_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("theirs")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "database_url").symlink_to(other)
    laid_out(tmp_path, {"database_url": "from-the-file"})
    assert other.read_text() == "theirs"


@pytest.mark.parametrize("environment", ["acc", "prod"])
def test_weak_secret_in_the_kept_folder_is_refused_where_something_is_at_stake(
    tmp_path: Path, environment: str
) -> None:
    (tmp_path / "jwt_secret_key").write_text(f"{UUID}\n")
    with pytest.raises(CommandError) as refused:
        refuse_weak(tmp_path, plan_with({}, environment, GUARD), pytest.fail)
    assert refused.value.message.startswith(f"{tmp_path}/jwt_secret_key is easy to guess: it is a UUID")
    assert refused.value.hint == "Have a new one made: `vserver secret renew jwt_secret_key -n x`."
    assert refused.value.exit_code == 4
    assert UUID not in refused.value.message


@pytest.mark.parametrize("environment", ["dev", "test"])
def test_weak_secret_in_the_kept_folder_is_a_warning_elsewhere(tmp_path: Path, environment: str) -> None:
    (tmp_path / "jwt_secret_key").write_text(UUID)
    said: list[str] = []
    refuse_weak(tmp_path, plan_with({}, environment), said.append)
    assert [line.startswith(f"warning: {tmp_path}/jwt_secret_key is easy to guess") for line in said] == [True]


def test_made_secrets_are_strong(tmp_path: Path) -> None:
    laid_out(tmp_path, {})
    refuse_weak(tmp_path / "secrets", plan_with({}, "prod"), pytest.fail)
