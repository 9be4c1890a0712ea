"""A started stack that is there to be fuzzed, and runs of schemathesis against it."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from support.local import Home, new_home
from support.processes import free_port
from support.services import unique

TESTS = Path(__file__).parents[1]
PASSWORD = "Secret-1-word"
SEED = 20261124


@dataclass
class Stack:
    """A stack that `vserver start` started: `url` is its gateway's."""

    home: Home
    name: str
    url: str

    @cached_property
    def root(self) -> dict[str, str]:
        """Root's tokens, from before a fuzzer learned that name: too many wrong passwords lock an account."""
        return self.call("POST", "/token/user", json={"username": "root", "password": "root"})

    def call(self, method: str, path: str, token: str = "", **arguments: Any) -> Any:
        """What the API answers to a call that must succeed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.request(
            method, f"{self.url}/api{path}", headers=headers, trust_env=False, timeout=30, **arguments
        )
        assert answer.is_success, answer.text
        return answer.json()


@contextmanager
def started_stack() -> Generator[Stack]:
    """A whole stack with a Postgres of its own under the local driver, behind a proxy that this machine plays."""
    with new_home() as home:
        port = free_port()
        name = home.configure(f"ip: 127.0.0.1\nport: {port}\ntrusted_proxies: [127.0.0.1/32]")
        done = home.vserver("start", "-n", name, "--user", "--driver", "local", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            yield Stack(home, name, f"http://127.0.0.1:{port}")
        finally:
            home.vserver("stop", "-n", name, "--user")


@dataclass(frozen=True)
class Run:
    """What schemathesis said, and how often each operation was answered with each status."""

    returncode: int
    output: str
    tally: dict[str, int]

    def successes(self, operation: str) -> int:
        """How often this operation succeeded."""
        return sum(self.tally.get(f"{operation} {status}", 0) for status in (200, 201))


def fuzz(stack: Stack, config: Path, *options: str) -> Run:
    """A run of schemathesis over the whole API, as a new user with every rule and as a new node."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{stack.url}/api/openapi.json", "--no-color", f"--seed={SEED}", *options),
    ]
    tally = stack.home.folder / "tally.json"
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "FUZZING": json.dumps(fuzzer_of(stack)),
        "FUZZING_TALLY": str(tally),
    }
    done = subprocess.run(command, env=environment, cwd=stack.home.folder, capture_output=True, text=True, check=False)
    # Some addresses are as long as the rest together.
    lines = [line[:2000] for line in (done.stdout + done.stderr[-4000:]).splitlines()]
    return Run(done.returncode, "\n".join(lines)[-40_000:], json.loads(tally.read_text()))


def fuzzer_of(stack: Stack) -> dict[str, Any]:
    """Tokens by kind of caller, and what must be kept, by noun."""
    root, root_id = stack.root["access_token"], int(stack.root["user_url"].rpartition("/")[2])
    name = unique("fuzzer")
    organization = stack.call("POST", "/organization", root, json={"name": name})["id"]
    rules = [rule["id"] for rule in stack.call("GET", "/rule", root)]
    person = {"username": name, "firstname": "F", "lastname": "F", "email": f"{name}@example.org"}
    user = stack.call(
        "POST", "/user", root, json=person | {"password": PASSWORD, "organization_id": organization, "rules": rules}
    )["id"]
    body = {"name": name, "organization_ids": [organization]}
    collaboration = stack.call("POST", "/collaboration", root, json=body)["id"]
    pair = {"organization_id": organization, "collaboration_id": collaboration}
    node = stack.call("POST", "/node", root, json=pair)
    tokens = stack.call("POST", "/token/user", json={"username": name, "password": PASSWORD})
    leaving = {"username": f"{name}-leaving", "password": PASSWORD}
    other = person | leaving | {"email": f"{name}@leaving.example", "organization_id": organization}
    stack.call("POST", "/user", root, json=other)
    site = stack.call("POST", "/token/node", json={"api_key": node["api_key"]})
    return {
        "tokens": {
            "user": tokens["access_token"],
            "leaving": stack.call("POST", "/token/user", json=leaving)["access_token"],
            "node": site["access_token"],
            "refresh": tokens["refresh_token"],
        },
        "kept": {
            "user": [user, root_id],
            "node": [node["id"]],
            "organization": [organization],
            "collaboration": [collaboration],
        },
    }
