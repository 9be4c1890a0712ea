"""A stack as an operator starts it, with a collaboration and its people, for tests that attack it."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from support.accounts import throw_away_account
from support.local import Home, new_home, wait_for
from support.processes import free_port
from support.services import unique

PASSWORD = "Quiet-Meadow-27"
"""Of everybody that an `AttackedStack` creates."""
ATTACKER = "127.0.0.66"
"""The source address of attackers: limits per address must not meet the honest user, who calls from 127.0.0.1."""


@dataclass
class AttackedStack:
    """A running stack under the local driver."""

    home: Home
    name: str
    started: dict[str, Any]

    @property
    def address(self) -> str:
        """The base URL of its API, such as `http://127.0.0.1:12345/api`."""
        return str(self.started["address"])

    @property
    def port(self) -> int:
        """The published port of its gateway."""
        port = httpx.URL(self.address).port
        assert port is not None
        return port

    def vserver(self, command: str, *options: str) -> dict[str, Any]:
        """The data of a command's `--json` answer about this instance."""
        done = self.home.vserver(command, "-n", self.name, "--user", "--json", *options)
        return json.loads(done.stdout)["data"]

    def pids(self) -> dict[str, int]:
        """The process of each component: a component that was restarted has another."""
        return {part["name"]: part["pid"] for part in self.vserver("status")["components"]}

    def wait_until_running(self) -> None:
        """Wait until every component is healthy."""
        wait_for(lambda: self.vserver("status")["state"] == "running", 120, pause=1)

    def client(self, token: str | None = None, *, source: str | None = None) -> httpx.Client:
        """An HTTP client for the API with paths such as `/task`. `source`: the address that it calls from."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.HTTPTransport(local_address=source) if source else None
        return httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False, transport=transport)

    def sign_in(self, username: str, password: str = PASSWORD) -> dict[str, Any]:
        """The tokens of a user."""
        return self._posted(None, "/token/user", {"username": username, "password": password})

    @cached_property
    def root(self) -> str:
        """An access token of the first user."""
        return str(self.sign_in("root", "root")["access_token"])

    @cached_property
    def study(self) -> "Study":
        """One collaboration with one organization, its node and a researcher."""
        return self.new_study()

    def new_study(self) -> "Study":
        """A further collaboration with an organization, a node and a researcher of its own."""
        organization = self._posted(self.root, "/organization", {"name": unique("honest")})
        body = {"name": unique("study"), "organization_ids": [organization["id"]]}
        collaboration = self._posted(self.root, "/collaboration", body)
        both = {"collaboration_id": collaboration["id"], "organization_id": organization["id"]}
        node = self._posted(self.root, "/node", both)
        with self.client(self.root) as http:
            roles = {role["name"]: role["id"] for role in http.get("/role").json()}
        name = unique("honest")
        person = {
            "username": name,
            "password": PASSWORD,
            "firstname": "",
            "lastname": "",
            "email": f"{name}@mail.example",
        }
        self._posted(
            self.root, "/user", person | {"organization_id": organization["id"], "roles": [roles["Researcher"]]}
        )
        return Study(name, organization["id"], collaboration["id"], node["id"], node["api_key"])

    def _posted(self, token: str | None, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.client(token) as http:
            answer = http.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@dataclass(frozen=True)
class Study:
    """A researcher with an organization that has a node in a collaboration."""

    username: str
    organization: int
    collaboration: int
    node: int
    api_key: str

    def task(self, **changes: Any) -> dict[str, Any]:
        """The body of a small task for the organization."""
        body = {"name": "honest", "image": "registry.example/mean:1", "collaboration_id": self.collaboration}
        return body | {"organizations": [{"id": self.organization, "input": "eA=="}]} | changes


@contextmanager
def attacked_stack(keys: str = "", environment: str = "dev") -> Generator[AttackedStack]:
    """A stack of an ordinary account, with these keys in its configuration; it is gone after the block."""
    with throw_away_account() as account, new_home(account) as home:
        name = home.configure(
            f"ip: 127.0.0.1\nport: {free_port()}\ndescription: attacked\n{keys}", environment=environment
        )
        done = home.vserver("start", "-n", name, "--user", "--driver", "local", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        yield AttackedStack(home, name, json.loads(done.stdout)["data"])
