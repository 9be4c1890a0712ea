"""Sentences of the operator's manual that no other test shows, tried as their reader would."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET
from uuid import uuid4

import httpx
import psutil
import pytest

from dataquality import __version__
from dataquality.core.settings import Settings
from support.accounts import throw_away_account
from support.compose import configuration, docker, plan_of, require_engine
from support.local import Home, new_home
from support.processes import free_port
from support.waiting import eventually
from vserver.config.schema import Environments

COMMANDS = ["new", "start", "stop", "files", "attach", "list", "shell", "import", "version"]


@dataclass
class Server:
    """A server at system level, started by its name alone."""

    home: Home
    port: int
    started: str

    @property
    def file(self) -> Path:
        return self.home.folder / "etc/dataquality/server/manual.yaml"

    def get(self, path: str, host: str = "127.0.0.1") -> httpx.Response:
        """What it answers; no matter how slow the machine is."""
        return httpx.get(f"http://{host}:{self.port}{path}", trust_env=False, timeout=60)

    def vserver(self, *arguments: str) -> str:
        done = self.home.vserver(*arguments, VSERVER_DRIVER="local")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The simplest configuration there can be, but for a port that is free and a small database."""
    with throw_away_account() as account, new_home(account) as home:
        server = Server(home, free_port(), "")
        server.file.parent.mkdir(parents=True)
        server.file.write_text(f"environments:\n  prod:\n    port: {server.port}\n    uri: sqlite:///default.sqlite\n")
        home.give()
        server.started = server.vserver("start", "--name", "manual")
        yield server
        server.vserver("stop", "--name", "manual")


def test_a_server_is_started_by_its_name_alone(server: Server) -> None:
    assert f"http://127.0.0.1:{server.port}/api" in server.started
    assert server.get("/api/health").json() == {"database": True}


def test_every_command_of_the_table_is_there(server: Server) -> None:
    listed = [line.split()[0] for line in server.vserver("--help").splitlines() if line.startswith("  ")]
    assert [command for command in COMMANDS if command not in listed] == []


def test_the_versions_of_a_running_server_are_told(server: Server) -> None:
    told = json.loads(server.vserver("version", "--name", "manual", "--json"))["data"]
    assert told == {"server": __version__, "cli": __version__}


def test_system_level_is_the_default(server: Server) -> None:
    told = server.vserver("files", "--name", "manual")
    assert str(server.file) in told
    assert server.vserver("files", "--name", "manual", "--system") == told


def test_files_names_the_configuration_at_either_level(server: Server) -> None:
    name = server.home.configure("description: mine", name="manual")
    mine = json.loads(server.vserver("files", "--name", name, "--user", "--json"))["data"]["configuration"]
    system = json.loads(server.vserver("files", "--name", name, "--system", "--json"))["data"]["configuration"]
    assert (Path(system), Path(mine).parent.parent.parent) == (server.file, server.home.folder / "config")


def test_a_configuration_elsewhere_is_found_by_config_alone(server: Server) -> None:
    file = server.home.folder / "elsewhere.yaml"
    file.write_text("application:\n  description: not where it is looked for\n")
    assert server.home.vserver("files", "--name", "elsewhere").returncode == 4
    assert str(file) in server.vserver("files", "--config", str(file))


def test_the_log_is_written_where_files_says_without_any_setting(server: Server) -> None:
    log = Path(json.loads(server.vserver("files", "--name", "manual", "--json"))["data"]["log"])
    parts = ("migrate", "auth", "entity", "dispatch", "worker", "beat")
    # A part counts as started before it has said so.
    eventually(lambda: all(f"component={part}" in log.read_text() for part in parts))


def test_a_server_on_all_interfaces_answers_on_every_address_of_the_machine(server: Server) -> None:
    found = addresses_of_the_machine()
    assert "127.0.0.1" in found
    # Networks of containers come and go meanwhile, and their addresses with them.
    assert {one for one in found if not answers(server, one)} & addresses_of_the_machine() == set()


def addresses_of_the_machine() -> set[str]:
    return {one.address for addresses in psutil.net_if_addrs().values() for one in addresses if one.family == AF_INET}


def answers(server: Server, address: str) -> bool:
    try:
        return server.get("/api/health", address).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.docker
def test_a_container_reaches_the_server_of_its_machine_at_the_bridges_address(server: Server) -> None:
    require_engine()
    # A network of the test's own, with a bridge as that of the manual's line.
    network = docker("network", "create", f"bridge-{uuid4().hex[:8]}").strip()
    try:
        gateway = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network).strip()
        url = f"http://{gateway}:{server.port}/api/version"
        code = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=60).read().decode())"
        said = docker("run", "--rm", "--network", network, "python:3.13-slim", "python", "-c", code)
    finally:
        docker("network", "rm", network)
    assert json.loads(said)["version"] == __version__


def test_the_environments_of_a_file_take_the_same_keys() -> None:
    kinds = {str(field.annotation) for field in Environments.model_fields.values()}
    assert len(kinds) == 1


MAIL = "smtp: {server: mail.example.org, username: server@example.org}\n"


@pytest.mark.parametrize(
    ("keys", "address"),
    [
        (f"{MAIL}support_email: help@example.org", "help@example.org"),
        (MAIL, "server@example.org"),
        ("description: no mail", "support@dataquality.ai"),
    ],
)
def test_the_support_address_is_the_one_given_or_that_of_the_mail_server_or_the_projects(
    tmp_path: Path, keys: str, address: str
) -> None:
    told = plan_of(configuration(tmp_path, keys)).component("worker").environment
    assert told.get("DATAQUALITY_SUPPORT_EMAIL", Settings().support_email) == address


@pytest.mark.parametrize(("keys", "minutes"), [("description: none", "60"), ("email_token_validity_minutes: 5", "5")])
def test_a_reset_token_is_good_for_an_hour_unless_said_otherwise(tmp_path: Path, keys: str, minutes: str) -> None:
    told = plan_of(configuration(tmp_path, keys)).component("auth").environment
    assert told["DATAQUALITY_EMAIL_TOKEN_MINUTES"] == minutes


def test_a_change_of_the_file_takes_effect_with_the_next_start(server: Server) -> None:
    text = server.file.read_text()
    server.file.write_text(f"{text}    api_path: /hospital/v1\n")
    server.vserver("stop", "--name", "manual")
    server.vserver("start", "--name", "manual")
    assert server.get("/hospital/v1/health").json() == {"database": True}
    assert server.get("/api/health").status_code == 404
