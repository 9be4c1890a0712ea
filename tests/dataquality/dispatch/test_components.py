"""The worker and beat as processes: health, a clean end, no secret in what they say."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support.databases import SqliteFiles
from support.parts import as_program
from support.services import Services, running_services
from support.valkey import ValkeyServer

PARTS = ("worker", "beat")


@pytest.fixture
def quiet(
    sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Iterator[tuple[Services, ValkeyServer]]:
    """A stack of the test's own in which nothing runs yet but Valkey."""
    valkey = ValkeyServer(tmp_path)
    with (
        sqlite_files.migrated_database() as url,
        running_services(tmp_path_factory.mktemp("services"), url, valkey.url, parts=(), begin=as_program) as services,
    ):
        yield services, valkey
    valkey.stop()


def health(services: Services, part: str) -> tuple[int, str]:
    """The status of `/internal/ready` and what it says; 0 when nobody answers."""
    try:
        answer = httpx.get(f"{services.addresses[part]}/internal/ready", timeout=60, trust_env=False)
    except httpx.HTTPError:
        return 0, ""
    return answer.status_code, answer.text


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_health_tells_what_is_wrong_and_when_all_is_well(quiet: "tuple[Services, ValkeyServer]"):
    services, valkey = quiet
    for part in PARTS:
        services.start(part)
        services.wait_ready(part)
    valkey.stop()
    for part in PARTS:
        status, text = health(services, part)
        assert (status, "Redis does not answer" in text, valkey.password in text) == (503, True, False)
    services.kill("worker")
    valkey.start()
    services.wait_ready("beat")
    services.start("worker")
    services.wait_ready("worker")


@pytest.mark.parametrize("part", ["worker", "beat", "dispatch"])
def test_a_component_ends_cleanly_when_told_to(quiet: "tuple[Services, ValkeyServer]", part: str):
    services, _ = quiet
    services.start(part)
    services.wait_ready(part)
    process = services.processes[part]
    process.send_signal(signal.SIGTERM)
    # uvicorn passes the signal on when it has done what there was to do.
    assert process.wait(60) in (0, -signal.SIGTERM)
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    assert "Traceback" not in services.log(part)


def test_no_password_is_in_what_the_components_say(quiet: "tuple[Services, ValkeyServer]"):
    services, valkey = quiet
    services.environment["DATAQUALITY_LOGGING__LEVEL"] = "DEBUG"
    for part in (*PARTS, "dispatch"):
        services.start(part)
    for part in (*PARTS, "dispatch"):
        services.wait_ready(part)
    valkey.stop()
    until(lambda: "annot connect" in services.log("worker"))
    until(lambda: "cannot be received" in services.log("dispatch"))
    until(lambda: "could not be sent" in services.log("beat"))
    valkey.start()
    for part in (*PARTS, "dispatch"):
        services.wait_ready(part)
    for part in (*PARTS, "dispatch"):
        assert valkey.password not in services.log(part)
        command = Path(f"/proc/{services.processes[part].pid}/cmdline")
        assert not command.exists() or valkey.password.encode() not in command.read_bytes()
