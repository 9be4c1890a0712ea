"""A whole stack in real containers: the real services, started and stopped by the real command."""

import grp
import itertools
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from support.accounts import throw_away_account
from support.compose import docker, freeze, require_engine
from support.local import Home, new_home, wait_for
from support.processes import Account, as_account, free_port
from support.terminal import CTRL_D, ENTER, at_terminal

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests/vserver/config/data/example-config.yaml"
LASTING = {"postgres", "redis", "auth", "entity", "dispatch", "worker", "beat", "gateway"}
ALL = LASTING | {"migrate"}
OURS = ("migrate", "auth", "entity", "dispatch", "worker", "beat")
KEY = "a-signing-secret-that-is-long-enough-for-prod"
NEVER_READY = """
from vserver.main import main
from vserver.stack.compose import checks

answer = checks.native
checks.native = lambda component: ["CMD", "false"] if component.name == "gateway" else answer(component)
main()
"""
"""The command, with a gateway that is never healthy: a start that is to be interrupted must not end before that."""


@dataclass(frozen=True)
class Operator:
    """Somebody with a home who may use the engine."""

    home: Home

    def vserver(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run([sys.executable, "-m", "vserver", *arguments], VSERVER_DRIVER="compose")

    def run(self, command: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=600, cwd="/", stdin=subprocess.DEVNULL,
            env=self.home.variables | variables, **identity(self.home.account),
        )  # fmt: skip

    def start(self, name: str, *options: str) -> dict[str, Any]:
        return json.loads(ok(self.vserver("start", "-n", name, "--user", "--json", *options)))["data"]

    def status(self, name: str) -> dict[str, Any]:
        return json.loads(self.vserver("status", "-n", name, "--user", "--json").stdout)["data"]

    def files(self, name: str) -> dict[str, Any]:
        return json.loads(ok(self.vserver("files", "-n", name, "--user", "--json")))["data"]


def identity(account: pwd.struct_passwd | None) -> Account:
    """An ordinary account in the group of the engine's socket."""
    return as_account(account, *([grp.getgrnam("docker").gr_gid] if account else ()))


@contextmanager
def operator(account: pwd.struct_passwd | None) -> Generator[Operator]:
    """An operator with a home; afterwards nothing of it is left in the engine."""
    with new_home(account) as home:
        try:
            yield Operator(home)
        finally:
            for file in home.folder.rglob("compose/compose.yaml"):
                tear_down(file.read_text().split("\nname: ")[1].split()[0])


def tear_down(project: str) -> None:
    subprocess.run(
        ["docker", "compose", "-p", project, "down", "--volumes", "--remove-orphans", "--timeout=5"],
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    require_engine()


@pytest.fixture(scope="module")
def user() -> Iterator[Operator]:
    """An ordinary user."""
    with throw_away_account() as account, operator(account) as made:
        yield made


@pytest.fixture(scope="module")
def stack(user: Operator) -> dict[str, Any]:
    """A running stack of that user, for the tests that leave it running."""
    name = user.home.configure(f"ip: 127.0.0.1\nport: {free_port()}\njwt_secret_key: {KEY}")
    return user.start(name) | {"name": name}


def ok(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def containers(project: str) -> list[dict[str, Any]]:
    ids = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}").split()
    return json.loads(docker("inspect", *ids)) if ids else []


def service(found: dict[str, Any]) -> str:
    return found["Config"]["Labels"]["com.docker.compose.service"]


def sign_in(address: str, password: str = "root") -> str:
    reply = httpx.post(f"{address}/token/user", json={"username": "root", "password": password}, timeout=60)
    assert reply.status_code == 200, reply.text
    return reply.json()["access_token"]


def test_a_stack_starts_and_answers_as_the_wire_contract_says(stack: dict[str, Any], user: Operator) -> None:
    assert stack["state"] == "running"
    assert {part["name"]: part["state"] for part in stack["components"]} == {
        name: "done" if name == "migrate" else "running" for name in ALL
    }
    address = stack["address"]
    with httpx.Client(timeout=60) as http:
        assert http.get(f"{address}/version").json()["version"]
        assert http.get(f"{address}/health").json() == {"database": True}
        assert http.get(f"{address}/organization").status_code == 401
    token = sign_in(address)
    reply = httpx.get(f"{address}/organization", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert reply.status_code == 200
    assert user.start(stack["name"])["was_running"]


def test_every_container_of_ours_runs_as_the_user_who_started_it(stack: dict[str, Any], user: Operator) -> None:
    owner = user.home.folder.stat()
    found = {service(one): one for one in containers(stack["instance"])}
    assert {found[name]["Config"]["User"] for name in OURS} == {f"{owner.st_uid}:{owner.st_gid}"}
    log = Path(user.files(stack["name"])["log"])
    assert "component=auth" in log.read_text()
    assert log.stat().st_uid == owner.st_uid


def test_no_secret_is_seen_where_others_look(stack: dict[str, Any], user: Operator) -> None:
    values = kept_secrets(user)
    assert len(values) >= 6
    found = containers(stack["instance"])
    image = found[0]["Config"]["Image"]
    command = user.files(stack["name"])["driver_files"]["Docker compose"].split()[1:-1]
    places = {
        "containers": json.dumps(found),
        "image": docker("image", "inspect", image) + docker("history", "--no-trunc", image),
        "logs": docker(*command, "logs", "--no-color"),
        "processes": subprocess.run(["ps", "-eo", "args", "ww"], capture_output=True, text=True, check=True).stdout,
        "environments": "".join(environments(found)),
        "log file": Path(user.files(stack["name"])["log"]).read_text(),
    }
    assert {place for place, text in places.items() if any(value in text for value in values)} == set()


def environments(found: list[dict[str, Any]]) -> Iterator[str]:
    """What stands in the environments of all processes of the containers, as far as we may see it."""
    for one in found:
        for line in docker("top", one["Id"], "-eo", "pid").splitlines()[1:] if one["State"]["Running"] else ():
            try:
                yield Path(f"/proc/{line.strip()}/environ").read_text(errors="replace")
            except OSError:
                continue


def kept_secrets(operator: Operator) -> list[str]:
    files = [path for path in operator.home.folder.rglob("secrets/*") if not path.name.startswith(".")]
    return [*(path.read_text() for path in files), KEY]


def test_no_file_with_a_secret_is_readable_by_others(stack: dict[str, Any], user: Operator) -> None:
    values = kept_secrets(user)
    configuration = Path(user.files(stack["name"])["configuration"])  # the operator's own, and so is its mode
    for path in user.home.folder.rglob("*"):
        if path.is_file() and path != configuration and any(value in path.read_text() for value in values):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_each_component_reads_its_own_secrets_alone(stack: dict[str, Any]) -> None:
    listing = docker("exec", f"{stack['instance']}-beat-1", "ls", "/secrets").split()
    assert listing == ["database_url", "redis_url"]
    refused = subprocess.run(
        ["docker", "exec", f"{stack['instance']}-beat-1", "sh", "-c", "echo x > /opt/venv/x || echo x > /secrets/x"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr


def test_plain_docker_compose_works_in_the_folder_that_files_names(stack: dict[str, Any], user: Operator) -> None:
    named = user.files(stack["name"])["driver_files"]
    folder = Path(named["Compose file"]).parent
    assert set(docker("compose", "ps", "--services", cwd=folder).split()) == LASTING
    assert set(docker(*named["Docker compose"].split()[1:], "--services").split()) == LASTING


def test_the_shell_works_on_the_database_at_a_terminal_and_with_code(stack: dict[str, Any], user: Operator) -> None:
    words = ["shell", "-n", stack["name"], "--user"]
    done = user.vserver(*words, "--command", 'db.Organization(name="by hand").save(); db.Organization.get(1).name')
    assert (done.returncode, done.stdout, done.stderr) == (0, "'root'\n", "")
    assert user.vserver(*words, "--command", "1 / 0").returncode == 1
    groups = identity(user.home.account).get("extra_groups", ())
    with at_terminal(user.home, *words, groups=groups, VSERVER_DRIVER="compose") as terminal:
        for code, shown in (('db.Organization.get_by_name("by hand")', "'by hand', domain: None"), ("6 * 7", "42")):
            terminal.expect("In [")
            terminal.press(code + ENTER)
            terminal.expect(shown)
        terminal.expect("In [")
        terminal.press(CTRL_D)
        assert terminal.end() == 0
        assert "Container" not in terminal.screen


def test_the_back_has_no_way_out_and_the_gateway_alone_is_published(stack: dict[str, Any]) -> None:
    ports = {service(one): one["HostConfig"]["PortBindings"] for one in containers(stack["instance"])}
    assert [name for name, bound in ports.items() if bound] == ["gateway"]
    for network in ("back", "api"):
        found = docker("network", "inspect", "-f", "{{.Internal}}", f"{stack['instance']}_{network}")
        assert found.strip() == "true"


def test_three_nodes_compute_a_federated_mean(user: Operator) -> None:
    """The demonstration itself, with another name."""
    name = f"t{uuid.uuid4().hex[:8]}"
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'examples')!r}); import demo; demo.NAME = {name!r}; demo.main()"
    done = user.run([sys.executable, "-c", code], VSERVER_DRIVER="compose", PYTHONDONTWRITEBYTECODE="1")
    assert "federated mean: " in ok(done)
    assert user.status(name)["state"] == "running"
    export_and_import_again(user, name)
    ok(user.vserver("stop", "-n", name, "--user"))
    assert containers(f"dataquality-{name}-test-user") == []


def export_and_import_again(user: Operator, name: str) -> None:
    """What was imported is in the export, and the export imported again changes nothing."""
    file = user.home.folder / "exported.yaml"
    ok(user.vserver("export", "-n", name, "--user", "--output", str(file)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    organizations = {one["name"] for one in yaml.safe_load(file.read_text())["organizations"]}
    assert len(organizations - {"root"}) == 3
    for options in (["--dry-run"], []):
        told = user.vserver("import", str(file), "-n", name, "--user", *options)
        assert "othing" in ok(told), told.stdout + told.stderr


def four_results(address: str) -> list[tuple[str, dict[str, str]]]:
    """Where a node answers four tasks, and with which headers."""
    root = {"Authorization": f"Bearer {sign_in(address)}"}

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = httpx.post(f"{address}{path}", json=body, headers=root, timeout=60)
        assert reply.is_success, reply.text
        return reply.json()

    name = uuid.uuid4().hex
    organization = made("/organization", {"name": name})["id"]
    collaboration = made("/collaboration", {"name": name, "organization_ids": [1, organization]})["id"]
    node = made("/node", {"collaboration_id": collaboration, "organization_id": organization})
    asked = {"collaboration_id": collaboration, "organizations": [{"id": organization, "input": ""}], "image": "i"}
    for _ in range(4):
        made("/task", asked | {"name": name})
    reply = httpx.post(f"{address}/token/node", json={"api_key": node["api_key"]}, timeout=60)
    headers = {"Authorization": f"Bearer {reply.json()['access_token']}"}
    found = httpx.get(f"{address}/result", headers=headers, timeout=60).json()
    return [(f"{address}/result/{one['id']}", headers) for one in found]


def answered(url: str, headers: dict[str, str], size: int) -> int:
    """PATCH a body of so many bytes; the bytes that come back."""
    start, end = b'{"finished_at": "2026-11-24T10:00:00", "result": "', b'"}'
    texts = size - len(start) - len(end)
    body = itertools.chain([start], (b"A" * min(1 << 20, texts - at) for at in range(0, texts, 1 << 20)), [end])
    told = headers | {"Content-Type": "application/json", "Content-Length": str(size)}
    with httpx.stream("PATCH", url, content=body, headers=told, timeout=600) as reply:
        assert reply.status_code == 200, reply.read()
        return sum(len(part) for part in reply.iter_bytes())


def test_four_of_the_largest_results_at_once_fit_into_the_memory_of_dispatch(
    stack: dict[str, Any], user: Operator
) -> None:
    """Written, read by a list of all four, and read four times at once."""
    largest = 256 << 20
    before = {part["name"]: part["pid"] for part in user.status(stack["name"])["components"]}
    places = four_results(stack["address"])
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(answered, url, headers, largest) for url, headers in places]
        assert min(call.result() for call in sent) > largest - 1000

    def read(url: str, headers: dict[str, str]) -> int:
        with httpx.stream("GET", url, headers=headers, timeout=600) as reply:
            return sum(len(part) for part in reply.iter_bytes())

    headers = places[0][1]
    assert read(f"{stack['address']}/result", headers) > 4 * (largest - 1000)
    with ThreadPoolExecutor(4) as pool:
        got = [pool.submit(read, url, headers) for url, _ in places]
        assert min(call.result() for call in got) > largest - 1000
    after = {part["name"]: part["pid"] for part in user.status(stack["name"])["components"]}
    assert {name: after[name] for name in ("dispatch", "postgres")} == {
        name: before[name] for name in ("dispatch", "postgres")
    }


@pytest.mark.root
def test_every_component_that_is_killed_comes_back(stack: dict[str, Any], user: Operator) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may kill what runs in a container")
    before = {part["name"]: part["pid"] for part in user.status(stack["name"])["components"]}
    for name in sorted(LASTING):
        os.kill(before[name], signal.SIGKILL)

    def all_back() -> bool:
        now = user.status(stack["name"])
        return now["state"] == "running" and all(
            part["pid"] != before[part["name"]] for part in now["components"] if part["name"] in LASTING
        )

    wait_for(all_back, 180)
    assert sign_in(stack["address"])


def test_a_service_that_lost_its_database_is_not_healthy(stack: dict[str, Any], user: Operator) -> None:
    postgres = f"{stack['instance']}-postgres-1"
    freeze(postgres)
    try:
        wait_for(lambda: state_of(user, stack, "auth") == "unhealthy", 120)
        assert user.status(stack["name"])["state"] == "degraded"
        assert user.vserver("status", "-n", stack["name"], "--user").returncode == 1
    finally:
        docker("unpause", postgres)
    wait_for(lambda: user.status(stack["name"])["state"] == "running", 120)


def state_of(user: Operator, stack: dict[str, Any], name: str) -> str:
    return next(part["state"] for part in user.status(stack["name"])["components"] if part["name"] == name)


def set_first_password(user: Operator, name: str, started: dict[str, Any], password: str) -> None:
    """In prod nobody signs in with the one that everybody knows."""
    assert started["first_password"] is True
    first = {"username": "root", "password": "root"}
    assert httpx.post(f"{started['address']}/token/user", json=first, timeout=60).status_code == 401
    file = user.home.folder / "password"
    file.write_text(password)
    file.chmod(0o600)
    user.home.give()
    ok(user.vserver("user", "set-password", "root", "-n", name, "--user", "--password-file", str(file)))


def test_a_second_instance_runs_beside_the_first_and_a_taken_port_names_it(
    stack: dict[str, Any], user: Operator
) -> None:
    port = httpx.URL(stack["address"]).port
    keys = f"ip: 127.0.0.1\nport: {port}\nuri: sqlite:///mine.sqlite"
    second = user.home.configure(keys, environment="prod")
    taken = user.vserver("start", "-n", second, "--user")
    assert taken.returncode == 1
    assert f"held by the instance {stack['instance']}" in taken.stderr
    assert "hint: " in taken.stderr

    started = user.start(second, "-p", str(free_port()))
    assert started["state"] == "running"
    assert sign_in(stack["address"])
    set_first_password(user, second, started, "Quiet-Meadow-27")
    assert sign_in(started["address"], "Quiet-Meadow-27")
    hidden = docker("exec", f"{started['instance']}-auth-1", "sh", "-c", "ls -A /data /data/secrets /data/compose || :")
    assert "mine.sqlite" in hidden
    assert "jwt_secret_key" not in hidden
    assert "compose.yaml" not in hidden
    ok(user.vserver("stop", "-n", second, "--user"))
    wait_for(lambda: user.status(stack["name"])["state"] == "running", 120)


@pytest.mark.root
def test_the_manuals_example_starts_as_it_stands_for_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs to be run as root")
    with operator(None) as root:
        name = f"t{uuid.uuid4().hex[:8]}"
        folder = root.home.folder / "config/dataquality/server"
        folder.mkdir(parents=True)
        shutil.copy(EXAMPLE, folder / f"{name}.yaml")
        started = root.start(name, "--ip", "127.0.0.1", "-p", str(free_port()))
        assert started["environment"] == "test"
        assert "postgres" not in {part["name"] for part in started["components"]}
        token = sign_in(started["address"])
        users = {one["Config"]["User"] for one in containers(started["instance"]) if service(one) in OURS}
        assert users == {"10001:10001"}
        ok(root.vserver("stop", "-n", name, "--user"))
        again = root.start(name, "--ip", "127.0.0.1", "-p", str(free_port()))
        reply = httpx.get(f"{again['address']}/user", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert reply.status_code == 200, "what the data folder holds has survived"


def test_stop_keeps_what_must_survive_and_the_next_start_finds_it(stack: dict[str, Any], user: Operator) -> None:
    token = sign_in(stack["address"])
    ok(user.vserver("stop", "-n", stack["name"], "--user"))
    assert containers(stack["instance"]) == []
    assert user.status(stack["name"])["state"] == "stopped"
    assert user.vserver("stop", "-n", stack["name"], "--user").returncode == 0
    again = user.start(stack["name"])
    reply = httpx.get(f"{again['address']}/user", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert reply.status_code == 200


def test_a_start_that_is_interrupted_leaves_nothing(user: Operator) -> None:
    name = user.home.configure(f"ip: 127.0.0.1\nport: {free_port()}")
    process = subprocess.Popen(
        [sys.executable, "-c", NEVER_READY, "start", "-n", name, "--user", "--driver", "compose"],
        env=user.home.variables, cwd="/", stderr=subprocess.PIPE, text=True, **identity(user.home.account),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "migrate is done" in line:
            process.terminate()
            break
    assert process.wait(120) == 130
    assert containers(f"dataquality-{name}-dev-user") == []


def test_the_checkouts_own_compose_file_starts_where_no_secret_exists_yet(tmp_path: Path) -> None:
    project = image = f"dqt-{uuid.uuid4().hex[:8]}"
    port = free_port()
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("deploy", "requirements", "services", "cli"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".dockerignore"):
        shutil.copy(ROOT / name, clone / name)
    # Another name, port and tag than the committed ones: those may be in use on this machine.
    text = (ROOT / "compose.yaml").read_text()
    text = text.replace("published: '5000'", f"published: '{port}'").replace("dataquality-server:checkout", image)
    (clone / "compose.yaml").write_text(text)
    try:
        docker("compose", "-p", project, "up", "--detach", "--wait", cwd=clone)
        first = {"username": "root", "password": "root"}
        assert httpx.post(f"http://127.0.0.1:{port}/api/token/user", json=first, timeout=60).status_code == 401
        docker(*(f"compose -p {project} run --rm -T migrate python -m dataquality.jobs.set_password root".split()),
               cwd=clone, input="Quiet-Meadow-27")  # fmt: skip
        assert {service(one) for one in containers(project)} == ALL | {"secrets"}
        kept = clone / ".dataquality/data/secrets"
        assert {stat.S_IMODE(path.stat().st_mode) for path in kept.iterdir()} == {0o600}
        token = sign_in(f"http://127.0.0.1:{port}/api", "Quiet-Meadow-27")
        docker("compose", "-p", project, "down", cwd=clone)
        docker("compose", "-p", project, "up", "--build", "--detach", "--wait", cwd=clone)
        header = {"Authorization": f"Bearer {token}"}
        again = httpx.get(f"http://127.0.0.1:{port}/api/user/1", headers=header, timeout=30)
        assert again.status_code == 200, "the secrets and the data are still the same"
    finally:
        subprocess.run(
            ["docker", "run", "--rm", "--user=0", "-v", f"{clone}:/clone", image, "rm", "-rf", "/clone/.dataquality"],
            capture_output=True, check=False,
        )  # fmt: skip
        tear_down(project)
        subprocess.run(["docker", "image", "rm", "-f", image], capture_output=True, check=False)
