"""What is put into the kept folder, together with the real secrets job."""

import subprocess
import sys
from pathlib import Path

from vserver.stack.plan import Component, Plan, PythonModule, SecretPlan
from vserver.stack.secrets import SECRETS_MODULE, Reader, keep_given, specification


def plan_with(given: dict[str, str]) -> Plan:
    secrets = SecretPlan(("jwt_secret_key", "redis_password"), given, {"database_url": "own:{redis_password}"})
    names = ("jwt_secret_key", "database_url")
    reader = Component("auth", PythonModule("x"), secrets=names)
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
