"""The one-shot that makes secrets and lays each out for its one reader."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def run(kept: Path, spec: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dataquality.jobs.secrets", "--kept", str(kept), "--spec", json.dumps(spec)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def spec(folder: Path, names: list[str], **more: Any) -> dict[str, Any]:
    return {
        "generated": ["redis_password"],
        "derived": {"redis_url": "redis://:{redis_password}@redis:6379/0"},
        "readers": [{"folder": str(folder), "uid": None, "gid": None, "names": names}],
        **more,
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o755)
    return folder


def test_a_missing_secret_is_made_long_and_kept_for_its_owner_alone(kept: Path, tmp_path: Path) -> None:
    assert run(kept, spec(tmp_path / "auth", ["redis_password"])).returncode == 0
    password = (kept / "redis_password").read_text()
    assert len(password) == 43
    assert (tmp_path / "auth/redis_password").read_text() == password
    assert mode(kept / "redis_password") == 0o600
    assert mode(tmp_path / "auth/redis_password") == 0o400
    assert mode(tmp_path / "auth") == 0o700


def test_a_second_run_changes_nothing(kept: Path, tmp_path: Path) -> None:
    wanted = spec(tmp_path / "auth", ["redis_password", "redis_url"])
    run(kept, wanted)
    before = {path.name: path.read_text() for path in [*kept.iterdir(), *(tmp_path / "auth").iterdir()]}
    assert run(kept, wanted).returncode == 0
    after = {path.name: path.read_text() for path in [*kept.iterdir(), *(tmp_path / "auth").iterdir()]}
    assert before == after


def test_a_derived_secret_is_filled_in_and_not_kept(kept: Path, tmp_path: Path) -> None:
    run(kept, spec(tmp_path / "auth", ["redis_url"]))
    password = (kept / "redis_password").read_text()
    assert (tmp_path / "auth/redis_url").read_text() == f"redis://:{password}@redis:6379/0"
    assert not (kept / "redis_url").exists()


def test_secret_made_from_another_differs_by_purpose_and_stays_the_same(kept: Path, tmp_path: Path) -> None:
    derived = {"one": "{redis_password|one}", "other": "{redis_password|other}"}
    found: list[tuple[str, ...]] = []
    for _ in range(2):
        assert run(kept, spec(tmp_path / "auth", ["one", "other"], derived=derived)).returncode == 0
        found.append(tuple((tmp_path / "auth" / name).read_text() for name in ("one", "other")))
    password = (kept / "redis_password").read_text()
    assert found[0] == found[1]
    assert len({*found[0], password}) == 3
    assert [len(value) for value in found[0]] == [43, 43]


def test_a_kept_secret_wins_over_its_template(kept: Path, tmp_path: Path) -> None:
    (kept / "redis_url").write_text("redis://elsewhere/{redis_password}\n")
    run(kept, spec(tmp_path / "auth", ["redis_url"]))
    assert (tmp_path / "auth/redis_url").read_text() == "redis://elsewhere/{redis_password}"


def test_a_reader_gets_its_own_secrets_and_no_others(kept: Path, tmp_path: Path) -> None:
    run(kept, spec(tmp_path / "auth", ["redis_password", "redis_url"]))
    run(kept, spec(tmp_path / "auth", ["redis_url"]))
    assert [path.name for path in (tmp_path / "auth").iterdir()] == ["redis_url"]


def test_a_missing_kept_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    kept = tmp_path / "data/secrets"
    assert run(kept, spec(tmp_path / "auth", ["redis_url"])).returncode == 0
    assert mode(kept) == 0o700


def test_the_mode_of_a_kept_folder_that_is_there_stays(kept: Path, tmp_path: Path) -> None:
    run(kept, spec(tmp_path / "auth", ["redis_url"]))
    assert mode(kept) == 0o755


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"derived": {"redis_url": "redis://{no_such}"}}, "the template of 'redis_url' names 'no_such'"),
        ({"derived": {"redis_url": "redis://{../passwd}"}}, "names '../passwd', which is no secret"),
        ({"derived": {}}, "no value for redis_url"),
        ({"generated": ["../outside"]}, "'../outside' cannot be the name of a secret"),
        ({"readers": [{"uid": None}]}, "--spec is not a specification of secrets"),
    ],
)
def test_a_specification_that_cannot_be_met_says_why(
    kept: Path, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    answer = run(kept, spec(tmp_path / "auth", ["redis_url"]) | wrong)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_what_is_not_json_says_so(kept: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "dataquality.jobs.secrets", "--kept", str(kept), "--spec", "nothing"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert "--spec is not a specification of secrets" in answer.stderr


def test_an_error_shows_no_secret(kept: Path, tmp_path: Path) -> None:
    run(kept, spec(tmp_path / "auth", ["redis_password"]))
    answer = run(kept, spec(tmp_path / "auth", ["redis_url", "other"]))
    assert (kept / "redis_password").read_text() not in answer.stderr + answer.stdout


def test_two_at_once_agree_on_one_secret(kept: Path, tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "dataquality.jobs.secrets", "--kept", str(kept), "--spec",
             json.dumps(spec(tmp_path / f"reader{number}", ["redis_password"]))],
        ) for number in range(6)
    ]  # fmt: skip
    assert [process.wait(60) for process in runs] == [0] * 6
    laid = {(tmp_path / f"reader{number}/redis_password").read_text() for number in range(6)}
    assert laid == {(kept / "redis_password").read_text()}
    assert [path.name for path in kept.iterdir()] == ["redis_password"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_each_folder_and_secret_belongs_to_the_account_that_is_to_read_it(kept: Path, tmp_path: Path) -> None:
    os.chown(kept, 12345, 12346)
    wanted = spec(tmp_path / "auth", [], folders=[{"folder": str(tmp_path / "log"), "uid": 10002, "gid": 10003}])
    wanted["readers"] = [{"folder": str(tmp_path / "auth"), "uid": 10001, "gid": 10004, "names": ["redis_password"]}]
    assert run(kept, wanted).returncode == 0
    owners = {path: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")}
    assert owners == {
        kept: (12345, 12346),
        kept / "redis_password": (12345, 12346),
        tmp_path / "auth": (10001, 10004),
        tmp_path / "auth/redis_password": (10001, 10004),
        tmp_path / "log": (10002, 10003),
    }


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_that_another_account_has_is_not_taken_from_it(kept: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    os.chown(log, 4242, 4243)
    given = {"folder": str(log), "uid": 10001, "gid": 10001}
    assert run(kept, spec(tmp_path / "auth", ["redis_url"], folders=[given])).returncode == 0
    assert (log.stat().st_uid, log.stat().st_gid) == (4242, 4243)


SWAPPED = "another secret"
GUARDED = ["jwt_secret_key", "service_key", "api_key_pepper", "reset_key", "redis_password", "postgres_password"]
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"\n",
    "cut": lambda value: value[:30],
    "has more than one line": lambda value: value + b"\nmore",
    "not text": lambda value: b"\xff" + value,
}


def damage_file(path: Path, damage: str) -> None:
    """Damage a secret, or put the one named `other` in its place."""
    damaged = (path.parent / "other").read_bytes() if damage == SWAPPED else DAMAGES[damage](path.read_bytes())
    path.unlink()
    if damaged is not None:
        path.write_bytes(damaged)


@pytest.fixture
def guarded(kept: Path, tmp_path: Path) -> dict[str, Any]:
    """A specification of an instance whose secrets are made, and whose database exists."""
    wanted = spec(tmp_path / "all", [*GUARDED, "other"], generated=[*GUARDED, "other"])
    wanted["guard"] = {"database": str(tmp_path / "PG_VERSION"), "where": "/the/folder", "renew": "renew {names}"}
    assert run(kept, wanted).returncode == 0
    (tmp_path / "PG_VERSION").write_text("17")
    return wanted


@pytest.mark.parametrize("damage", [*DAMAGES, SWAPPED])
@pytest.mark.parametrize("name", GUARDED)
def test_a_damaged_secret_is_refused_by_name(kept: Path, guarded: dict[str, Any], name: str, damage: str) -> None:
    damage_file(kept / name, damage)
    answer = run(kept, guarded)
    assert answer.returncode == 4
    assert f"  /the/folder/{name}: {damage}" in answer.stderr
    assert answer.stderr.count("/the/folder/") == 1, "and no other"
    assert f"`renew {name}`" in answer.stderr


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "not text"])
def test_damage_is_noticed_without_fingerprints(kept: Path, guarded: dict[str, Any], damage: str) -> None:
    (kept / ".fingerprints.json").unlink()
    damage_file(kept / "reset_key", damage)
    answer = run(kept, guarded)
    assert answer.returncode == 4
    assert f"/the/folder/reset_key: {damage}" in answer.stderr


def test_whole_secrets_without_fingerprints_are_taken(kept: Path, guarded: dict[str, Any]) -> None:
    (kept / ".fingerprints.json").unlink()
    assert run(kept, guarded).returncode == 0
    assert "reset_key" in json.loads((kept / ".fingerprints.json").read_text())


def test_secret_that_is_new_in_this_version_is_made_for_an_existing_database(
    kept: Path, guarded: dict[str, Any]
) -> None:
    assert run(kept, guarded | {"generated": [*guarded["generated"], "later_password"]}).returncode == 0
    assert len((kept / "later_password").read_text()) == 43


def test_fingerprints_hold_no_secret_and_are_for_their_owner_alone(kept: Path, guarded: dict[str, Any]) -> None:
    text = (kept / ".fingerprints.json").read_text()
    assert not [name for name in GUARDED if (kept / name).read_text() in text]
    assert mode(kept / ".fingerprints.json") == 0o600


def test_configured_secret_may_change(kept: Path, guarded: dict[str, Any]) -> None:
    guarded["guard"]["configured"] = ["jwt_secret_key"]
    (kept / "jwt_secret_key").write_text("another one, chosen by the operator")
    assert run(kept, guarded).returncode == 0
    del guarded["guard"]["configured"]
    assert run(kept, guarded).returncode == 0, "the new one is remembered"
