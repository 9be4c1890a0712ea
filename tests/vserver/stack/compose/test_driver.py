"""The driver with a real engine: Postgres, Redis, the migration and the gateway as real containers.

The services stand in the end-to-end tests; here a plan without them keeps each test short.
"""

import dataclasses
import io
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.compose import configuration, docker, require_engine, torn_down
from support.processes import free_port
from vserver.errors import CommandError, ExitCode
from vserver.stack.compose.driver import ComposeDriver
from vserver.stack.driver import StackStatus
from vserver.stack.plan import Plan, PythonModule

pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True)
def engine() -> None:
    require_engine()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeDriver]:
    """A running stack for the tests that leave it running."""
    require_engine()
    folder = tmp_path_factory.mktemp("running")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
            patch.setenv(variable, str(folder / variable))
        found = configuration(folder / "c", f"ip: 127.0.0.1\nport: {free_port()}")
    with torn_down(found) as made:
        made.start(without_services(made.plan()), lambda _: None)
        yield made


@pytest.fixture
def driver(tmp_path: Path, port: int) -> Iterator[ComposeDriver]:
    with torn_down(configuration(tmp_path / "c", f"ip: 127.0.0.1\nport: {port}")) as made:
        yield made


def without_services(plan: Plan) -> Plan:
    kept = [part for part in plan.components if part.name in ("postgres", "redis", "migrate", "gateway")]
    components = [dataclasses.replace(part, needs=("migrate",)) if part.name == "gateway" else part for part in kept]
    return dataclasses.replace(plan, components=tuple(components))


def states(status: StackStatus) -> dict[str, str]:
    return {one.name: one.state for one in status.components}


def test_start_waits_until_all_is_healthy_and_stop_leaves_only_what_must_survive(
    driver: ComposeDriver, port: int
) -> None:
    said: list[str] = []
    plan = without_services(driver.plan())
    status = driver.start(plan, said.append)
    assert status.state == "running"
    assert states(status) == {"postgres": "running", "redis": "running", "migrate": "done", "gateway": "running"}
    assert status.address == f"http://127.0.0.1:{port}/api"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/gateway-health") as answer:
        assert answer.status == 200
    assert "postgres is healthy" in said

    again: list[str] = []
    assert driver.start(plan, again.append) == status
    assert again == [], "a running stack is left alone"

    project = driver.instance.id
    assert driver.stop(said.append).state == "running"
    assert driver.stop(said.append).state == "stopped"
    assert docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}") == ""
    volumes = docker("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={project}").split()
    assert f"{project}_postgres" in volumes
    assert driver.start(plan, said.append).state == "running", "the data and their password are still there"


def test_a_killed_container_comes_back_by_itself(running: ComposeDriver) -> None:
    name = f"{running.instance.id}-redis-1"
    pid = int(docker("inspect", "-f", "{{.State.Pid}}", name))
    if os.geteuid() != 0:
        pytest.skip("only root may kill what runs in a container")
    assert pid, "0 would be the tests themselves"
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        said = docker("inspect", "-f", "{{.State.Pid}} {{.State.Health.Status}}", name).split()
        return said[0] not in ("0", str(pid)) and said[1] == "healthy"

    until(is_back)


def test_a_component_that_cannot_start_is_named_with_its_log_and_nothing_is_left_running(
    driver: ComposeDriver,
) -> None:
    plan = without_services(driver.plan())
    broken = [
        dataclasses.replace(part, program=PythonModule("dataquality.no_such_module"))
        if part.name == "migrate"
        else part
        for part in plan.components
    ]
    with pytest.raises(CommandError) as caught:
        driver.start(dataclasses.replace(plan, components=tuple(broken)), lambda _: None)
    assert "migrate ended with exit code 1" in caught.value.message
    assert "No module named dataquality.no_such_module" in caught.value.message
    assert caught.value.hint
    assert driver.status().state == "stopped"
    assert docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={driver.instance.id}") == ""


def test_a_component_that_dies_again_and_again_is_not_waited_for(driver: ComposeDriver) -> None:
    plan = without_services(driver.plan())
    full = driver.plan()
    dying = dataclasses.replace(full.component("beat"), program=PythonModule("dataquality.no_such_module"))
    with pytest.raises(CommandError) as caught:
        driver.start(dataclasses.replace(plan, components=(*plan.components, dying)), lambda _: None)
    assert re.match("beat ends (with exit code 1 )?again and again", caught.value.message)
    assert "no_such_module" in caught.value.message
    assert driver.status().state == "stopped"


def test_a_taken_port_says_which_process_holds_it(driver: ComposeDriver, port: int) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        with pytest.raises(CommandError) as caught:
            driver.start(without_services(driver.plan()), lambda _: None)
    assert f"port {port} is held by process {os.getpid()}" in caught.value.message
    assert "-p" in (caught.value.hint or "")


def test_a_port_that_another_instance_has_names_that_instance(running: ComposeDriver, tmp_path: Path) -> None:
    assert running.environment is not None
    port = running.environment.port
    with torn_down(configuration(tmp_path / "o", f"ip: 127.0.0.1\nport: {port}")) as other:
        with pytest.raises(CommandError) as caught:
            other.start(without_services(other.plan()), lambda _: None)
        assert f"port {port} is held by the instance {running.instance.id}" in caught.value.message


def test_another_configurations_stack_is_never_taken_for_ones_own(running: ComposeDriver, tmp_path: Path) -> None:
    foreign = dataclasses.replace(running.instance, configuration=tmp_path / "elsewhere.yaml")
    for act in ("start", "stop"):
        with pytest.raises(CommandError) as caught:
            other = ComposeDriver(foreign, running.environment)
            other.stop(lambda _: None) if act == "stop" else other.start(without_services(other.plan()), lambda _: None)
        assert str(running.instance.configuration) in caught.value.message
    assert running.status().components, "the other's stack is untouched"


def test_a_job_reads_its_input_and_tells_its_progress_and_its_exit_code(
    running: ComposeDriver, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = without_services(running.plan())
    said: list[str] = []
    # `base64` of the standard library: a real module that reads its standard input.
    assert running.run_job(plan, "base64", ["-e"], io.BytesIO(b"hello"), said.append) == 0
    assert capfd.readouterr().out.strip() == "aGVsbG8="
    assert running.run_job(plan, "dataquality.jobs.no_such_job", [], None, said.append) == 1
    assert any("No module named" in line for line in said)
    assert not [line for line in said if "Container" in line], "compose's own words are not the job's"


def test_a_job_of_a_stopped_instance_finds_what_it_needs_and_leaves_it_stopped(driver: ComposeDriver) -> None:
    said: list[str] = []
    assert driver.run_job(without_services(driver.plan()), "dataquality.jobs.migrate", [], None, said.append) == 0
    assert driver.status().state == "stopped"
    assert docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={driver.instance.id}") == ""


def test_plain_docker_compose_works_with_the_command_that_files_names(running: ComposeDriver) -> None:
    command = running.files()["Docker compose"].split()
    assert docker(*command[1:], "--services").split() == ["gateway", "postgres", "redis"]
    folder = Path(running.files()["Compose file"]).parent
    assert docker("compose", "ps", "--services", cwd=folder).split() == ["gateway", "postgres", "redis"]


def test_an_unreachable_database_is_the_cause_that_is_told(tmp_path: Path, port: int) -> None:
    text = f"ip: 127.0.0.1\nport: {port}\nuri: postgresql://u:the-database-password@127.1.2.3:9/d"
    with torn_down(configuration(tmp_path / "c", text)) as driver:
        plan = without_services(driver.plan())
        with pytest.raises(CommandError) as caught:
            driver.start(plan, lambda _: None)
        assert "secrets ended with exit code" in caught.value.message
        assert "127.1.2.3" in caught.value.message
        assert "the-database-password" not in caught.value.message
        assert driver.status().state == "stopped"


def test_a_restart_at_boot_can_be_chosen_for_a_running_stack(running: ComposeDriver) -> None:
    def policy() -> str:
        return docker("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", f"{running.instance.id}-redis-1").strip()

    assert (running.restarts_at_boot(), policy()) == (True, "unless-stopped")
    running.set_restart_at_boot(False)
    assert (running.restarts_at_boot(), policy()) == (False, "on-failure")
    running.set_restart_at_boot(True)
    assert (running.restarts_at_boot(), policy()) == (True, "unless-stopped")


def test_without_an_engine_the_cause_and_the_remedy_are_told(
    driver: ComposeDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch, pytest.raises(CommandError) as caught:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        driver.start(driver.plan(), lambda _: None)
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert "does not answer" in caught.value.message
    assert "--driver local" in (caught.value.hint or "")
    with monkeypatch.context() as patch, pytest.raises(CommandError) as caught:
        patch.setenv("PATH", str(tmp_path))
        driver.status()
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert "no `docker` command" in caught.value.message


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)
