"""A stack in containers, for tests of what containers keep apart. For root, who may look at their processes."""

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.abuse.stack import AttackedStack
from support.compose import docker, require_engine
from support.local import new_home
from support.processes import free_port


@dataclass
class ContainerStack(AttackedStack):
    """A running stack under the compose driver."""

    @property
    def project(self) -> str:
        """The name of its compose project."""
        return str(self.started["instance"])

    def container(self, component: str) -> str:
        """The container of a component."""
        return f"{self.project}-{component}-1"

    def inside(self, component: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a component's container."""
        words = ["docker", "exec", self.container(component), *command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    def networks(self, component: str) -> set[str]:
        """The networks of a component, without the project's name."""
        text = docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", self.container(component))
        return {name.removeprefix(f"{self.project}_") for name in json.loads(text)}

    def process_states(self, component: str) -> list[dict[str, str]]:
        """What the kernel says of each process of a component (`/proc/PID/status`)."""
        pids = docker("top", self.container(component), "-eo", "pid").split()[1:]
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return [dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line) for text in texts]


@contextmanager
def container_stack(keys: str = "") -> Generator[ContainerStack]:
    """A stack in containers with these keys in its configuration; it is gone after the block."""
    require_engine()
    if os.geteuid() != 0:
        pytest.skip("only root may look at the processes of containers")
    with new_home() as home:
        name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\n{keys}")
        done = home.vserver("start", "-n", name, "--user", "--driver", "compose", "--json")
        try:
            assert done.returncode == 0, done.stdout + done.stderr
            yield ContainerStack(home, name, json.loads(done.stdout)["data"])
        finally:
            down = ["docker", "compose", "-p", f"dataquality-{name}-dev-user", "down", "--volumes", "--timeout=5"]
            subprocess.run(down, capture_output=True, check=False, timeout=300)
