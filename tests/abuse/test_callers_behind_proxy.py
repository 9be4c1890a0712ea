"""Wrong passwords through a reverse proxy on this machine, before a stack in containers."""

import subprocess
from collections.abc import Iterator

import httpx
import pytest

from support.abuse.at_once import new_source
from support.abuse.compose import ContainerStack
from support.abuse.honest import assert_in_time, honest_rounds
from support.local import wait_for
from support.processes import free_port, stop
from support.services import unique
from vserver.stack.local.programs import installed_runtime

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.timeout(600)]

TRIES = 40
"""More than the 30 failures that one address has."""


@pytest.fixture(scope="module")
def proxy(containers: ContainerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API's base URL at a second Caddy before the stack, as operators have one for HTTPS."""
    port, folder = free_port(), tmp_path_factory.mktemp("proxy")
    (folder / "Caddyfile").write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n"
        f":{port} {{\n\tbind 127.0.0.1\n\treverse_proxy 127.0.0.1:{containers.port}\n}}\n"
    )
    command = [str(installed_runtime().caddy), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env={"HOME": str(folder)}, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}/api"
        wait_for(lambda: answers(address))
        yield address
    finally:
        stop(process)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/version", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wrong_passwords(address: str, source: str, times: int = TRIES, **headers: str) -> list[int]:
    """The statuses of so many wrong passwords, each of another name: no account's own limit is met."""
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(base_url=address, timeout=60, trust_env=False, transport=transport, headers=headers) as http:
        bodies = [{"username": unique("nobody"), "password": "wrong"} for _ in range(times)]
        return [http.post("/token/user", json=body).status_code for body in bodies]


def test_wrong_passwords_through_proxy_lock_out_their_own_address_alone(containers: ContainerStack, proxy: str) -> None:
    with honest_rounds(proxy, containers.study) as rounds:
        statuses = wrong_passwords(proxy, new_source())
    assert statuses.count(401) == 30
    assert statuses[-1] == 429
    assert wrong_passwords(proxy, new_source(), 1) == [401]
    assert_in_time(rounds)


def test_caller_behind_proxy_cannot_name_another_address(proxy: str) -> None:
    named = {"X-Forwarded-For": "192.0.2.66"}
    assert wrong_passwords(proxy, new_source(), 31, **named)[-1] == 429
    assert wrong_passwords(proxy, new_source(), 1, **named) == [401]


def test_address_of_the_bridge_is_locked_out_by_nobody(containers: ContainerStack) -> None:
    with honest_rounds(containers.address, containers.study) as rounds:
        statuses = wrong_passwords(containers.address, new_source())
    assert set(statuses) == {401}
    assert_in_time(rounds)
