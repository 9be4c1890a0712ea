"""The one-shot that makes secrets and lays each out for its one reader."""

import json
import os
import stat
import subprocess
import sys
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
