"""What a component that was taken over could reach and do from its container."""

import struct

import pytest

from support.abuse.compose import ContainerStack
from support.compose import docker
from support.services import unique

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.timeout(600)]

CALL_OUT = """
import errno, socket
try:
    socket.create_connection(("192.0.2.1", 9), timeout=1)
except TimeoutError:
    print("sent")
except OSError as error:
    print("no way" if error.errno == errno.ENETUNREACH else "sent")
"""
"""192.0.2.0/24 is for documentation: nobody is there, but whoever has a way out sends a packet."""
ONLY_NET_BIND_SERVICE = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
"""The file capability cap_net_bind_service=ep, as the kernel keeps it."""


@pytest.mark.parametrize("component", ["auth", "entity", "dispatch", "beat"])
def test_component_cannot_call_the_outside(containers: ContainerStack, component: str) -> None:
    assert containers.inside(component, "python", "-c", CALL_OUT).stdout.strip() == "no way"


def test_worker_can_call_a_mail_server(containers: ContainerStack) -> None:
    assert containers.inside("worker", "python", "-c", CALL_OUT).stdout.strip() == "sent"


@pytest.mark.parametrize("database", ["postgres", "redis"])
def test_gateway_has_no_network_with_a_database(containers: ContainerStack, database: str) -> None:
    assert not containers.networks("gateway") & containers.networks(database)
    assert containers.inside("gateway", "getent", "hosts", database).returncode != 0
    assert containers.inside("gateway", "getent", "hosts", "auth").returncode == 0


def test_gateway_is_a_plain_user_without_capabilities(containers: ContainerStack) -> None:
    processes = containers.process_states("gateway")
    assert "caddy" in {one["Name"] for one in processes}
    for one in processes:
        assert "0" not in one["Uid"].split(), one["Name"]
        assert {int(one[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}, one["Name"]


def test_file_capability_of_the_public_gateway_gives_it_none(containers: ContainerStack) -> None:
    """The public image's binary carries one; the image of this machine may not."""
    volume = unique("capability")
    rights = rights_of_gateway(containers)
    try:
        copy = ["run", "--rm", "--network=none", "-v", f"{volume}:/v"]
        docker(*copy, "--entrypoint=cp", "caddy:2", "/bin/cat", "/v/cat")
        code = f"import os; os.setxattr('/v/cat', 'security.capability', {ONLY_NET_BIND_SERVICE!r})"
        docker(*copy, "--entrypoint=python", "python:3.13-slim", "-c", code)
        status = docker(*copy, *rights, "--entrypoint=/v/cat", "caddy:2", "/proc/self/status")
    finally:
        docker("volume", "rm", "--force", volume)
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert found["CapPrm"] == found["CapEff"] == "0" * 16


def rights_of_gateway(containers: ContainerStack) -> list[str]:
    """The options of `docker run` that say the rights of the gateway's container."""
    host = '{{with .HostConfig}}{{.Init}} {{join .CapAdd ","}} {{join .SecurityOpt ","}}{{end}}'
    form = f"{host} {{{{.Config.User}}}}"
    init, capabilities, security, user = docker("inspect", "-f", form, containers.container("gateway")).split()
    added = [f"--cap-add={name}" for name in capabilities.split(",")]
    return [f"--init={init}", f"--user={user}", "--cap-drop=ALL", *added, f"--security-opt={security}"]


def test_every_container_has_a_cpu_limit(containers: ContainerStack) -> None:
    form = "{{.Name}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}"
    found = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={containers.project}").split()
    assert len(found) == 10
    for line in docker("inspect", "-f", form, *found).splitlines():
        name, quota, period = line.split()
        assert 0 < int(quota) <= 4 * int(period), name
