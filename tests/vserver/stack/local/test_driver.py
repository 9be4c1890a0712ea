"""The local driver with real supervisor, Postgres, Valkey and Caddy; the services are stubs, for they are not meant."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from support.local import (
    Home,
    driver_of,
    kill_below,
    pid_of,
    processes_below,
    silent,
    stubbed,
    wait_for,
)
from support.processes import free_port
from vserver.config.instance import find_instance
from vserver.errors import CommandError, ExitCode
from vserver.stack.driver import StackStatus
from vserver.stack.local.driver import LocalDriver
from vserver.stack.logs import LogsWanted

ALL = {"postgres", "redis", "migrate", "auth", "entity", "dispatch", "worker", "beat", "gateway"}


def local_driver(home: Home, keys: str = "uri: sqlite:///server.sqlite") -> LocalDriver:
    name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\n{keys}")
    return driver_of(home, name)[0]


def start(driver: LocalDriver, **modes: str) -> StackStatus:
    return driver.start(stubbed(driver.plan(), **modes), silent)


def supervisor_of(home: Home) -> psutil.Process:
    (found,) = processes_below(home.folder, "supervisor.supervisord")
    return found


def nothing_left(home: Home) -> bool:
    sockets_and_locks = [path for path in home.folder.rglob("*") if path.is_socket() or path.name == "lock"]
    return not processes_below(home.folder) and not sockets_and_locks


def test_a_start_waits_until_all_is_healthy_and_a_stop_leaves_nothing(home: Home) -> None:
    driver = local_driver(home, "description: with its own Postgres")
    now = start(driver)
    assert now.state == "running"
    assert {part.name: part.state for part in now.components} == {
        name: "done" if name == "migrate" else "running" for name in ALL
    }
    assert now.address is not None
    assert httpx.get(f"{now.address}/version", timeout=60).status_code == 200
    before = driver.stop(silent)
    assert before.state == "running"
    assert driver.status().state == "stopped"
    assert nothing_left(home)


def test_a_component_that_missed_the_wish_to_stop_is_told_again_and_not_killed(home: Home) -> None:
    """What supervisor has forked, but not yet made into a program, loses the signal."""
    driver = local_driver(home)
    start(driver, worker="inattentive")
    driver.stop(silent)
    (log,) = home.folder.rglob("supervisord.log")
    assert "stopped: worker" in log.read_text()
    assert "SIGKILL" not in log.read_text()


def test_a_database_of_its_own_and_its_secrets_survive_a_stop(home: Home) -> None:
    driver = local_driver(home, "description: with its own Postgres")
    start(driver)
    kept = {path.name: path.read_text() for path in home.folder.rglob("dev/secrets/*") if path.name[0] != "."}
    driver.stop(silent)
    assert start(driver).state == "running"
    assert kept == {path.name: path.read_text() for path in home.folder.rglob("dev/secrets/*") if path.name[0] != "."}
    assert {"postgres_password", "jwt_secret_key"} <= kept.keys()
    driver.stop(silent)


def test_a_killed_supervisor_is_put_right_by_stop(home: Home) -> None:
    driver = local_driver(home, "description: with its own Postgres")
    start(driver)
    supervisor_of(home).kill()
    wait_for(lambda: driver.status().state == "orphaned")
    assert driver.stop(silent).state == "orphaned"
    assert driver.status().state == "stopped"
    assert nothing_left(home)


def test_several_instances_of_dispatch_are_started_seen_and_brought_back_each_by_itself(home: Home) -> None:
    driver = local_driver(home, "uri: sqlite:///server.sqlite\ndispatch_instances: 3")
    parts = ALL - {"postgres"} | {"dispatch-2", "dispatch-3"}
    before = start(driver)
    assert {part.name for part in before.components} == parts
    assert before.state == "running"
    os.kill(pid_of(before, "dispatch-2"), signal.SIGKILL)
    wait_for(lambda: is_back(driver, before, "dispatch-2"))
    assert pid_of(driver.status(), "dispatch-3") == pid_of(before, "dispatch-3")
    supervisor_of(home).kill()
    wait_for(lambda: driver.status().state == "orphaned")
    # What was forked last may not be the program yet by which a process without a supervisor is known.
    wait_for(lambda: {part.name for part in driver.status().components} == parts - {"migrate"})
    driver.stop(silent)
    assert nothing_left(home)


def is_back(driver: LocalDriver, before: StackStatus, name: str) -> bool:
    now = driver.status()
    return now.state == "running" and pid_of(now, name) != pid_of(before, name)


def test_a_failed_start_says_why_and_leaves_nothing_running(home: Home) -> None:
    driver = local_driver(home)
    with pytest.raises(CommandError) as caught:
        start(driver, dispatch="fail")
    assert "dispatch" in caught.value.message
    assert "the stub cannot go on: its cause is written here" in caught.value.message
    assert "-dispatch.log" in (caught.value.hint or "")
    assert nothing_left(home)


def test_a_failed_one_shot_stops_the_start(home: Home) -> None:
    driver = local_driver(home)
    with pytest.raises(CommandError, match="migrate ended with exit code 3"):
        start(driver, migrate="fail")
    assert nothing_left(home)


def test_a_taken_port_names_who_holds_it_and_starts_nothing(home: Home) -> None:
    port = free_port()
    holder = subprocess.Popen([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], cwd=home.folder)
    try:
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        name = home.configure(f"ip: 127.0.0.1\nport: {port}\nuri: sqlite:///a.sqlite")
        driver, _ = driver_of(home, name)
        with pytest.raises(CommandError, match=f"Port {port} is held by process {holder.pid}") as caught:
            start(driver)
    finally:
        holder.kill()
        holder.wait()
    assert "-p" in (caught.value.hint or "")
    assert nothing_left(home)


def test_a_port_that_another_instance_holds_names_that_instance(home: Home) -> None:
    first = local_driver(home)
    address = start(first).address or ""
    port = httpx.URL(address).port
    name = home.configure(f"ip: 127.0.0.1\nport: {port}\nuri: sqlite:///a.sqlite")
    second, _ = driver_of(home, name)
    with pytest.raises(CommandError, match="of the instance dataquality-"):
        start(second)
    assert first.status().state == "running"
    first.stop(silent)


def test_an_address_that_the_machine_does_not_have_is_refused(home: Home) -> None:
    driver = local_driver(home)
    plan = stubbed(driver.plan(ip="192.0.2.1"))
    with pytest.raises(CommandError, match=r"This machine has no address 192\.0\.2\.1"):
        driver.start(plan, silent)
    assert nothing_left(home)


def test_two_starts_at_once_end_with_one_running_stack(home: Home) -> None:
    driver = local_driver(home)
    answers: list[str] = []
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from support.local import *
from pathlib import Path
home = Home(Path({str(home.folder)!r}))
driver, _ = driver_of(home, {driver.instance.name!r})
print(driver.start(stubbed(driver.plan()), silent).state)
"""

    def one() -> None:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        answers.append(done.stdout.strip() or done.stderr)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["running", "running"]
    assert supervisor_of(home).is_running()
    driver.stop(silent)
    assert nothing_left(home)


def test_a_data_folder_with_a_long_and_odd_name_is_no_hindrance(home: Home) -> None:
    odd = home.folder / ("with blanks, 'quotes' and 100% " + "x" * 80)
    name = home.configure(f'ip: 127.0.0.1\nport: {free_port()}\ndirectories:\n  data: "{odd}"')
    driver, _ = driver_of(home, name)
    assert start(driver).state == "running"
    socket_folder = Path(driver.files()["Supervisor's socket"]).parent
    assert socket_folder.parent == Path("/tmp")
    driver.stop(silent)
    assert nothing_left(home)
    assert not socket_folder.exists()


def test_a_job_gets_its_input_and_the_environment_of_migrate(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    driver = local_driver(home)
    plan = stubbed(driver.plan())
    driver.start(plan, silent)
    said: list[str] = []
    code = driver.run_job(plan, "stub_job", ["7"], io.BytesIO(b"some input"), said.append)
    assert code == 7
    assert said == ["job read 10 bytes"]
    assert capfd.readouterr().out.startswith("sqlite:///")
    driver.stop(silent)


def test_a_job_of_a_stopped_instance_is_run_and_the_instance_is_stopped_again(home: Home) -> None:
    driver = local_driver(home, "description: with its own Postgres")
    assert driver.run_job(stubbed(driver.plan()), "stub_job", ["0"]) == 0
    assert driver.status().state == "stopped"
    assert nothing_left(home)


def test_the_data_of_another_configuration_are_not_taken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = local_driver(home)
    start(first)
    first.stop(silent)
    other = home.folder / "other"
    (home.folder / "config").rename(other)
    (home.folder / "config").symlink_to(other)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(other))
    found = find_instance(first.instance.name, None, None, "user")
    assert found.instance.data_folder == first.instance.data_folder
    second = LocalDriver(found.instance, found.loaded.settings)
    with pytest.raises(CommandError, match="belong to another configuration"):
        start(second)
    (home.folder / "config").unlink()
    assert start(second).state == "running", "a configuration that was moved keeps its data"
    second.stop(silent)


def test_a_start_after_the_machine_went_down_finds_no_hindrance_in_what_is_left(home: Home) -> None:
    driver = local_driver(home, "description: with its own Postgres")
    start(driver)
    # Until none is left: what supervisor brings back before its own turn comes goes down as well.
    wait_for(lambda: not kill_below(home.folder))
    assert [path for path in home.folder.rglob("*") if path.is_socket()]
    (pid_file,) = home.folder.rglob("postmaster.pid")
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert driver.status().state == "stopped"
    assert start(driver).state == "running"
    driver.stop(silent)
    assert nothing_left(home)


def test_an_image_means_nothing_to_processes(home: Home) -> None:
    with pytest.raises(CommandError) as caught:
        local_driver(home).plan(image="some:image")
    assert caught.value.exit_code == ExitCode.USAGE


def test_logs_are_followed_until_an_interrupt_that_ends_nothing_else(home: Home) -> None:
    """As root they are read with the rights of the account that wrote them."""
    driver = local_driver(home)
    start(driver)
    seen: list[tuple[str, str]] = []

    def on_line(name: str, line: str) -> None:
        seen.append((name, line))
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        driver.follow_logs(LogsWanted(("redis",)), on_line)
    assert {name for name, _ in seen} == {"redis"}
    assert driver.status().state == "running"
    driver.stop(silent)
