"""The gateway's configuration in a real Caddy, before small servers that say who they are and what they were asked."""

import http.server
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.processes import free_port
from vserver.stack.gateway import HEALTH_PATH, ROUTES, Bridge, GatewayLog, Listening, ServiceName, caddyfile
from vserver.stack.local.programs import installed_runtime

SERVICES: tuple[ServiceName, ...] = ("auth", "entity", "dispatch")


class Upstreams:
    """One small server a service, or whatever else there is to be."""

    def __init__(self, *names: str) -> None:
        self._servers = {name: self._serve(name) for name in names or SERVICES}

    def _serve(self, name: str) -> http.server.ThreadingHTTPServer:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"service": name, "path": self.path, "headers": dict(self.headers)}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Access-Control-Allow-Origin", "https://somebody.example")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self._servers[name].server_address[1]}"

    def close(self) -> None:
        for name in list(self._servers):
            self.end(name)

    def end(self, name: str) -> None:
        server = self._servers.pop(name)
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    upstreams = Upstreams()
    port = free_port()
    text = caddyfile(
        Listening(port, "127.0.0.1"),
        "/sub/api",
        {
            "auth": [upstreams.address("auth")],
            "entity": [upstreams.address("entity")],
            "dispatch": [upstreams.address("dispatch")],
        },
    )
    with (
        _caddy(text, tmp_path_factory.mktemp("caddy")),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        _wait(client)
        yield client
    upstreams.close()


class _caddy:
    def __init__(self, text: str, folder: Path, **variables: str) -> None:
        self._file = folder / "Caddyfile"
        self._file.write_text(text)
        self._variables = variables

    def __enter__(self) -> None:
        program = str(installed_runtime().caddy)
        self._process = subprocess.Popen(
            [program, "run", "--config", str(self._file), "--adapter", "caddyfile"],
            env={"HOME": str(self._file.parent), "XDG_DATA_HOME": str(self._file.parent)} | self._variables,
            stderr=(self._file.parent / "caddy.log").open("wb"),
        )

    def said(self) -> str:
        """What it wrote to its console."""
        return (self._file.parent / "caddy.log").read_text()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)


def _wait(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            client.get(HEALTH_PATH).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("Caddy did not start")


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/token/user", "auth"),
        ("/recover/lost", "auth"),
        ("/recover/2fa/lost", "auth"),
        ("/recover/node", "entity"),
        ("/password/change", "auth"),
        ("/user", "auth"),
        ("/user/7", "auth"),
        ("/role/3/rule/9", "auth"),
        ("/rule", "auth"),
        ("/health", "auth"),
        ("/version", "auth"),
        ("/organization", "entity"),
        ("/organization/3/node", "entity"),
        ("/collaboration", "entity"),
        ("/collaboration/4", "entity"),
        ("/collaboration/4/organization", "entity"),
        ("/collaboration/4/task", "dispatch"),
        ("/node/5", "entity"),
        ("/task", "dispatch"),
        ("/task/1/result", "dispatch"),
        ("/result/2", "dispatch"),
        ("/kill/task", "dispatch"),
        ("/port", "dispatch"),
        ("/vpn", "dispatch"),
    ],
)
def test_each_path_reaches_the_service_that_owns_it_as_it_was_asked(
    gateway: httpx.Client, path: str, service: str
) -> None:
    answer = gateway.get(f"/sub/api{path}?page=1&x=a%20b").json()
    assert answer["service"] == service
    assert answer["path"] == f"/sub/api{path}?page=1&x=a%20b"


def test_events_go_to_dispatch_at_the_root_of_the_host_and_stay_with_one_instance(gateway: httpx.Client) -> None:
    reply = httpx.get(f"{gateway.base_url}/socket.io/?EIO=4&transport=polling", timeout=60)
    assert reply.json()["service"] == "dispatch"
    assert "lb" in reply.cookies


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[tuple[httpx.Client, Upstreams]]:
    """A gateway before three instances of dispatch."""
    names = ("dispatch", "dispatch-2", "dispatch-3")
    upstreams, port = Upstreams(*names), free_port()
    nobody = [f"127.0.0.1:{free_port()}"]
    addresses = [upstreams.address(name) for name in names]
    text = caddyfile(Listening(port, "127.0.0.1"), "/api", {"auth": nobody, "entity": nobody, "dispatch": addresses})
    with _caddy(text, tmp_path), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        _wait(client)
        yield client, upstreams
    upstreams.close()


def _asked(client: httpx.Client, path: str, times: int = 20) -> set[str]:
    """Which of the instances answered."""
    return {client.get(path).json()["service"] for _ in range(times)}


SOCKETS = "/socket.io/?EIO=4&transport=polling"


def test_a_client_with_cookies_stays_with_one_instance_until_that_dies(
    instances: tuple[httpx.Client, Upstreams],
) -> None:
    client, upstreams = instances
    [first] = _asked(client, SOCKETS)
    upstreams.end(first)
    [second] = _asked(client, SOCKETS)
    assert second != first


def test_without_cookies_the_id_of_a_connection_says_where_it_goes(instances: tuple[httpx.Client, Upstreams]) -> None:
    client, _ = instances
    for number, name in enumerate(("dispatch", "dispatch-2", "dispatch-3"), 1):
        for _ in range(5):
            client.cookies.clear()
            assert client.get(f"{SOCKETS}&sid={number}-abc").json()["service"] == name
    # Neither is one that no instance gave lost, nor one of an instance that there is no more.
    for odd in ("12-abc", "abc", "", "4-x"):
        assert client.get(f"{SOCKETS}&sid={odd}").status_code == 200


def test_new_connections_and_requests_are_shared_out(instances: tuple[httpx.Client, Upstreams]) -> None:
    client, _ = instances
    found: set[str] = set()
    for _ in range(60):
        client.cookies.clear()
        found |= _asked(client, SOCKETS, times=1)
    assert len(found) == 3
    assert len(_asked(client, "/api/task", times=60)) == 3


def test_requests_are_answered_when_all_instances_but_one_are_dead(instances: tuple[httpx.Client, Upstreams]) -> None:
    client, upstreams = instances
    upstreams.end("dispatch")
    upstreams.end("dispatch-3")
    assert {client.post("/api/task").json()["service"] for _ in range(20)} == {"dispatch-2"}


@pytest.mark.parametrize(
    "path",
    [
        "/", "/internal/ready", "/sub/api", "/sub/api/internal/ready", "/sub/apix/user", "/api/user",
        "/sub/api/user/../../../internal/ready", "/sub/api/token", "/sub/api/kill", "/metrics",
    ],
)  # fmt: skip
def test_everything_else_is_a_404_in_json(gateway: httpx.Client, path: str) -> None:
    reply = gateway.get(path)
    assert reply.status_code == 404
    assert reply.json()["msg"]
    assert reply.headers["Content-Type"] == "application/json"


def test_the_request_id_is_the_gateways_own_and_the_same_on_both_sides(gateway: httpx.Client) -> None:
    reply = gateway.get("/sub/api/user", headers={"X-Request-Id": "mine"})
    seen = reply.json()["headers"]["X-Request-Id"]
    assert seen == reply.headers["X-Request-Id"] != "mine"
    assert gateway.get("/sub/api/user").headers["X-Request-Id"] != seen
    assert gateway.get("/nothing").headers["X-Request-Id"]


def test_a_client_cannot_say_where_it_comes_from(gateway: httpx.Client) -> None:
    headers = gateway.get("/sub/api/user", headers={"X-Forwarded-For": "192.0.2.9"}).json()["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"


def test_every_origin_may_read_and_a_browser_may_ask_first(gateway: httpx.Client) -> None:
    assert gateway.get("/sub/api/user").headers.get_list("Access-Control-Allow-Origin") == ["*"]
    assert gateway.get("/nothing").headers["Access-Control-Allow-Origin"] == "*"
    asked = gateway.options(
        "/sub/api/user",
        headers={
            "Origin": "https://ui.example",
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
    assert asked.headers["Access-Control-Allow-Headers"] == "authorization, content-type"


def test_replies_do_not_tell_what_the_gateway_is(gateway: httpx.Client) -> None:
    reply = gateway.get("/sub/api/user")
    assert "Server" not in reply.headers
    assert "Via" not in reply.headers


def test_a_service_that_does_not_answer_is_a_json_error_that_a_person_understands(tmp_path: Path) -> None:
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    text = caddyfile(Listening(port, "127.0.0.1"), "/api", {"auth": [nobody], "entity": [nobody], "dispatch": [nobody]})
    with _caddy(text, tmp_path), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        _wait(client)
        reply = client.get("/api/user")
        assert reply.status_code in {502, 503}
        assert "does not answer" in reply.json()["msg"]
        assert reply.headers["X-Request-Id"]
        assert reply.headers["Access-Control-Allow-Origin"] == "*"


def test_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    upstreams = Upstreams()
    port = free_port()
    addresses: dict[ServiceName, list[str]] = {name: [upstreams.address(name)] for name in SERVICES}
    text = caddyfile(Listening(port, "127.0.0.1"), "/api", addresses, ["127.0.0.0/8", "2001:db8::/32"])
    with _caddy(text, tmp_path), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        _wait(client)
        headers = client.get("/api/user", headers={"X-Forwarded-For": "192.0.2.9"}).json()["headers"]
        assert headers["X-Forwarded-For"] == "192.0.2.9, 127.0.0.1"
    upstreams.close()


@pytest.mark.parametrize("path", ["/api/user", "/socket.io/", "/socket.io/?sid=2-x"])
@pytest.mark.parametrize(
    ("bridge", "source", "said", "caller"),
    [
        ("shared", "127.0.0.1", "", "unknown"),
        ("shared", "127.0.0.1", "192.0.2.9", "unknown"),
        ("shared", "127.0.0.66", "192.0.2.9", "127.0.0.66"),
        ("trusted", "127.0.0.1", "", "unknown"),
        ("trusted", "127.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("trusted", "127.0.0.1", "198.51.100.7, 192.0.2.9", "192.0.2.9"),
        ("trusted", "127.0.0.1", "192.0.2.9, 10.1.2.3", "192.0.2.9"),
        ("trusted", "127.0.0.66", "192.0.2.9", "127.0.0.66"),
    ],
)
def test_bridge_is_nobody_in_particular_or_a_proxy(
    tmp_path: Path, path: str, bridge: Bridge, source: str, said: str, caller: str
) -> None:
    """127.0.0.1 stands for the bridge's address."""
    upstreams = Upstreams()
    port = free_port()
    addresses: dict[ServiceName, list[str]] = {name: [upstreams.address(name)] for name in SERVICES}
    addresses["dispatch"] *= 2
    text = caddyfile(Listening(port, "127.0.0.1"), "/api", addresses, ["10.0.0.0/8"], bridge=bridge)
    transport = httpx.HTTPTransport(local_address=source)
    with (
        _caddy(text, tmp_path, DATAQUALITY_HOST_ADDRESS="127.0.0.1"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, transport=transport) as client,
    ):
        _wait(client)
        headers = client.get(path, headers={"X-Forwarded-For": said} if said else {}).json()["headers"]
        assert headers["X-Forwarded-For"] == caller
    upstreams.close()


@pytest.mark.parametrize("is_json", [False, True])
def test_the_gateways_log_tells_its_troubles_without_headers_or_queries(tmp_path: Path, is_json: bool) -> None:
    port, nobody = free_port(), [f"127.0.0.1:{free_port()}"]
    addresses: dict[ServiceName, list[str]] = dict.fromkeys(SERVICES, nobody)
    text = caddyfile(Listening(port, "127.0.0.1"), "/api", addresses, log=GatewayLog("DEBUG", is_json))
    running = _caddy(text, tmp_path)
    with running, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        _wait(client)
        headers = {"Authorization": "Bearer in-the-header", "X-Mine": "mine", "Host": "h" * 5_000}
        client.get(f"/api/user/{'x' * 5_000}?token=in-the-query", headers=headers)
    said = running.said()
    errors = [line for line in said.splitlines() if "/api/user" in line]
    assert errors
    for secret in ("in-the-query", "in-the-header", "mine"):
        assert secret not in said
    assert all(line.startswith("{") == is_json for line in errors)
    assert max(len(line) for line in errors) < 2_000


@pytest.mark.parametrize("bridge", [None, "shared", "trusted"])
@pytest.mark.parametrize("instances", [["dispatch:8000"], ["dispatch:8000", "dispatch-2:8000", "dispatch-3:8000"]])
def test_the_file_is_laid_out_as_caddy_lays_it_out(tmp_path: Path, instances: list[str], bridge: Bridge | None) -> None:
    upstreams: dict[ServiceName, list[str]] = {"auth": ["auth:8000"], "entity": ["entity:8000"], "dispatch": instances}
    text = caddyfile(Listening(8080), "/api", upstreams, bridge=bridge)
    (tmp_path / "Caddyfile").write_text(text)
    formatted = subprocess.run(
        [str(installed_runtime().caddy), "fmt", str(tmp_path / "Caddyfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert formatted.stdout == text


def test_what_could_break_out_of_its_word_is_refused() -> None:
    with pytest.raises(ValueError, match="unexpected characters"):
        caddyfile(Listening(8080), "/api {", {"auth": ["a:1"], "entity": ["a:1"], "dispatch": ["a:1"]})


def test_no_path_belongs_to_two_services() -> None:
    every = [path for paths in ROUTES.values() for path in paths]
    assert len(every) == len(set(every))
