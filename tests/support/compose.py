"""What tests of the compose driver share: plans and documents of real configurations, and a Docker engine."""

import os
import subprocess
import textwrap
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.waiting import eventually
from vserver.config.instance import Found, find_instance
from vserver.stack.build import build_plan
from vserver.stack.compose.document import Image, Paths, Setting, compose_document
from vserver.stack.compose.driver import ComposeDriver
from vserver.stack.placement import ComposeSite
from vserver.stack.plan import Plan

REQUIRED = os.environ.get("REQUIRE_DOCKER") == "1"


def require_engine() -> None:
    """Skip where no engine answers; where one is required, fail."""
    try:
        answer = subprocess.run(["docker", "compose", "ls"], capture_output=True, text=True, check=False, timeout=120)
        trouble = answer.stderr.strip() if answer.returncode else ""
    except FileNotFoundError:
        trouble = "there is no docker command"
    if trouble and REQUIRED:
        pytest.fail(f"REQUIRE_DOCKER=1, but {trouble}")
    if trouble:
        pytest.skip(f"no Docker engine: {trouble}")


def docker(*arguments: str, **more: Any) -> str:
    """What `docker ARGUMENTS` writes; fails the test where it fails."""
    answer = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=600, **more)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def freeze(container: str) -> None:
    """Let it stand still: again where the engine gave up, as on a starved machine not all processes stop soon."""
    eventually(lambda: _is_frozen(container))


def _is_frozen(container: str) -> bool:
    answer = subprocess.run(["docker", "pause", container], capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0 or "unable to freeze" in answer.stderr, answer.stderr
    return answer.returncode == 0


def configuration(folder: Path, text: str = "", environment: str = "dev") -> Found:
    """An instance with a name of its own, from a file in `folder`; `text` holds keys of its one environment."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"t{uuid.uuid4().hex[:8]}.yaml"
    body = textwrap.indent(textwrap.dedent(text).strip() or "description: a test", "    ")
    file.write_text(f"environments:\n  {environment}:\n{body}\n")
    return find_instance(None, file, None, "user")


def plan_of(found: Found) -> Plan:
    """Its plan under compose."""
    return build_plan(found.instance, found.loaded.settings, ComposeSite(found.instance.data_folder))


def document_of(found: Found, **more: Any) -> dict[str, Any]:
    """Its compose document."""
    paths = Paths(data="/d", log="/l", kept="/d/secrets", caddyfile="/d/compose/Caddyfile")
    setting: dict[str, Any] = {"project": found.instance.id, "image": Image("ours:1"), "paths": paths} | more
    return compose_document(plan_of(found), Setting(**setting))


@contextmanager
def torn_down(found: Found) -> Generator[ComposeDriver]:
    """A driver for the instance; afterwards nothing of it is left in the engine."""
    try:
        yield ComposeDriver(found.instance, found.loaded.settings)
    finally:
        subprocess.run(
            ["docker", "compose", "-p", found.instance.id, "down", "--volumes", "--remove-orphans", "--timeout=5"],
            capture_output=True, check=False, timeout=300,
        )  # fmt: skip
