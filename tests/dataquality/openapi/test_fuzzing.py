"""schemathesis against running services behind their gateway: all checks, stateful links, one seed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert

from dataquality.model import Authenticatable, Collaboration
from support.arrange import PASSWORD, Arrangement
from support.gateway import Server
from support.services import ROOT, unique

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
SEED = 20261124
_FAR = 1_000_000_000
"""Ids from here on are met by chance by nobody: what is fuzzed must not delete who fuzzes."""


def tokens_of(server: Server) -> dict[str, str]:
    """A user with every rule, a node, and the user's refresh token."""
    services = server.services
    root, arrangement = services.login(*ROOT), Arrangement(services)
    with arrangement.engine.begin() as connection:
        connection.execute(insert(Authenticatable).values(id=_FAR, type="user"))
        connection.execute(insert(Collaboration).values(id=_FAR, name=unique("far"), encrypted=False))
    organization, name = arrangement.organization(), unique("fuzzer")
    grants = [(one["name"], one["operation"], one["scope"]) for one in root.get("/rule").json()]
    arrangement.user(organization, grants=grants, username=name)
    collaboration = arrangement.collaboration(organization)
    key = unique("key")
    arrangement.node(organization, collaboration, key)
    user, node = services.login(name, PASSWORD), services.login_node(key)
    return {
        "user": user.tokens["access_token"],
        "node": node.tokens["access_token"],
        "refresh": user.tokens["refresh_token"],
    }


def run(server: Server, *options: str) -> "subprocess.CompletedProcess[str]":
    """A run of schemathesis over the whole API."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{server.url}/api/openapi.json", "--no-color", f"--seed={SEED}", *options),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "FUZZING_TOKENS": json.dumps(tokens_of(server)),
        "FUZZING_KEPT": " ".join(str(_FAR + n) for n in range(4)),
    }
    return subprocess.run(
        command, env=environment, cwd=server.services.folder, capture_output=True, text=True, check=False
    )


def test_a_short_run_finds_nothing(server: Server):
    done = run(server, "--max-examples=5", "--max-time=60")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]


@pytest.mark.soak
def test_a_long_run_finds_nothing(server: Server):
    done = run(server, "--max-examples=200")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
