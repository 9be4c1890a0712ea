"""Thousands of nodes that only wait fit into the memory that the gateway's and dispatch's containers may use."""

import asyncio
import json

import httpx
import pytest

from support.abuse.compose import ContainerStack
from support.abuse.honest import assert_in_time, honest_rounds
from support.abuse.idle import idle_sockets, node_tokens, raise_open_files
from support.compose import docker
from support.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.soak]
SOCKETS = 5_000
HELD_SECONDS = 10
COMPONENTS = ("gateway", "dispatch", "auth", "entity", "redis", "postgres")


def starts(containers: ContainerStack) -> dict[str, str]:
    """When each container was started, how often it was restarted, and whether the kernel killed it for its memory."""
    form = "{{.State.StartedAt}} {{.RestartCount}} {{.State.OOMKilled}}"
    return {name: docker("inspect", "-f", form, containers.container(name)).strip() for name in COMPONENTS}


def nodes_online(address: str) -> int:
    """How many nodes the server shows as online, up to a page of them."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
        signed_in = http.post("/token/user", json={"username": "root", "password": "root"}).json()
        headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
        return len(http.get("/node", params={"status": "online"}, headers=headers).raise_for_status().json())


def gateway_of(containers: ContainerStack) -> tuple[str, int]:
    """Address and port of the gateway's container on the network of its published port."""
    gateway = containers.container("gateway")
    [described] = json.loads(docker("inspect", gateway))
    network = described["NetworkSettings"]["Networks"][f"{containers.project}_front"]
    [port] = described["HostConfig"]["PortBindings"]
    return network["IPAddress"], int(port.partition("/")[0])


def test_five_thousand_idle_nodes_fit_under_the_limits_of_containers(containers: ContainerStack) -> None:
    raise_open_files()
    before = starts(containers)
    tokens = node_tokens(containers.address, SOCKETS)
    address, port = gateway_of(containers)

    async def hold() -> int:
        # Not through Docker's proxy of the published port: the engine's limit of open files ends that near 3,300.
        async with idle_sockets(port, tokens, SOCKETS, address) as idle:
            with honest_rounds(containers.address, containers.study) as rounds:
                await asyncio.sleep(HELD_SECONDS)
            assert_in_time(rounds)
            return idle.open - idle.ended

    assert asyncio.run(hold()) == SOCKETS
    # Their end at once is work too: the tests that come next find a server at rest.
    eventually(lambda: nodes_online(containers.address) == 0)
    assert starts(containers) == before
    assert all(one.endswith("0 false") for one in before.values())
