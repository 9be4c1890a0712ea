"""One server, asked to log all it can, goes through everything that handles a secret; then its logs are searched."""

import asyncio
import base64
import json
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import httpx
import pytest

from support.accounts import throw_away_account
from support.codes import code_of, wait_for_time
from support.databases import PostgresServer
from support.local import Home, new_home, wait_for
from support.mail import USERNAME, Mailbox, text_of, token_in
from support.processes import free_port
from support.sockets import new_client
from support.waiting import eventually

_PIECE = 12
_STEP = 6
"""Whoever sees 17 signs of a secret in a row sees one of the pieces."""
CONFIGURATION = """
ip: 127.0.0.1
port: {port}
uri: {uri}
jwt_secret_key: {jwt_secret}
two_factor_auth: true
smtp: {{server: localhost, port: {mail_port}, username: {username}, password: {mail_password}, MAIL_USE_TLS: false}}
logging:
  level: DEBUG
  format: "{format}"
  loggers:
  - {{name: sqlalchemy.engine, level: INFO}}
  - {{name: uvicorn.error, level: DEBUG}}
  - {{name: httpx, level: DEBUG}}
  - {{name: engineio, level: DEBUG}}
  - {{name: socketio, level: DEBUG}}
  - {{name: celery, level: DEBUG}}
  - {{name: kombu, level: DEBUG}}
"""
IMPORT = """
organizations:
- name: Hush
  users:
  - {{username: ada, email: ada@mail.example, password: "{password}"}}
collaborations:
- name: Quiet
  encrypted: false
  participants:
  - {{name: Hush, api_key: {api_key}}}
"""


@dataclass
class Run:
    """What was used, and what was said: by the server in its files, and by the command."""

    home: Home
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    said: list[str] = field(default_factory=list[str])

    def secret(self, what: str, value: str | None = None) -> str:
        """Note a secret; a password that the policy takes, if none is given."""
        self.secrets[what] = value or f"Aa1-{secrets.token_urlsafe(24)}"
        return self.secrets[what]

    def vserver(self, *arguments: str) -> str:
        done = self.home.vserver(*arguments)
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def logs(self) -> dict[str, str]:
        """Every log file of the instance and its parts, by name."""
        return {path.name: path.read_text(errors="replace") for path in self.home.folder.rglob("*.log*")}


def in_all_spellings(value: str) -> set[str]:
    """A value, its encodings, and pieces of all of them that are long enough to be of use."""
    raw = value.encode()
    encoded = [value, quote(value, safe=""), quote_plus(value), raw.hex(), json.dumps(value)[1:-1]]
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # What stands before a text shifts its base64; the ends, which depend on the neighbours, are left out.
            encoded.append(encode(b"x" * shift + raw).decode().rstrip("=")[4:-4])
    return {
        text[start : start + _PIECE] for text in encoded for start in range(0, max(1, len(text) - _PIECE + 1), _STEP)
    }


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    box = Mailbox(tmp_path_factory.mktemp("mailbox"), "plain")
    box.start()
    yield box
    box.stop()


@pytest.fixture(scope="module", params=["%(asctime)s - %(name)-14s - %(levelname)-8s - %(message)s"])
def run(request: pytest.FixtureRequest, postgres_server: PostgresServer, mailbox: Mailbox) -> Iterator[Run]:
    """The whole scenario, gone through."""
    with throw_away_account() as account, new_home(account) as home, postgres_server.empty_database() as url:
        done = Run(home)
        address = urlsplit(url.replace("+psycopg", ""))
        done.secret("database password", address.password)
        keys = CONFIGURATION.format(
            port=free_port(), uri=address.geturl(), jwt_secret=done.secret("JWT secret"), username=USERNAME,
            mail_port=mailbox.port, mail_password=done.secret("mail password", mailbox.password), format=request.param,
        )  # fmt: skip
        name = home.configure(keys, environment="test")
        started = json.loads(done.vserver("start", "-n", name, "--user", "--driver", "local", "--json"))["data"]
        Scenario(done, name, started["address"], mailbox).play()
        done.vserver("stop", "-n", name, "--user")
        for kept in home.folder.rglob("test/secrets/*"):
            # Of an address only the password is secret, and that is noted already.
            if not kept.name.startswith(".") and "://" not in kept.read_text():
                done.secret(f"kept {kept.name}", kept.read_text().strip())
        yield done


class Scenario:
    """Everybody who has a secret uses it, rightly and wrongly."""

    def __init__(self, run: Run, name: str, api: str, mailbox: Mailbox) -> None:
        self.run, self.name, self.api, self.mailbox = run, name, api, mailbox
        self.http = httpx.Client(timeout=30, trust_env=False)

    def play(self) -> None:
        self.fill()
        self.sign_in("ada", self.run.secrets["imported password"])
        self.guess()
        self.recover()
        ada = self.sign_in_again()
        self.work(self.sign_in("root", "root"), ada)
        self.change_password(ada)
        self.use_the_shell()
        # A part that is slow to answer, as on a starved machine, is no fault.
        wait_for(lambda: self.run.home.vserver("status", "-n", self.name, "--user").returncode == 0)
        for command in ("status", "files"):
            self.run.vserver(command, "-n", self.name, "--user")

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, f"{self.api}{path}", headers=headers | more.pop("headers", {}), **more)

    def good(self, method: str, path: str, token: str | None = None, **more: Any) -> Any:
        response = self.call(method, path, token, **more)
        assert response.status_code < 300, response.text
        return response.json()

    def fill(self) -> None:
        text = IMPORT.format(
            password=self.run.secret("imported password"), api_key=self.run.secret("imported key", str(uuid.uuid4()))
        )
        file = self.run.home.folder / "hush.yaml"
        file.write_text(text)
        self.run.home.give()
        self.run.vserver("import", str(file), "-n", self.name, "--user")

    def sign_in(self, username: str, password: str) -> str:
        """With the second factor, whose secret the first attempt tells."""
        body = {"username": username, "password": password}
        otp = self.run.secret(f"second factor of {username}", self.good("POST", "/token/user", json=body)["otp_secret"])
        wait_for_time()
        tokens = self.good("POST", "/token/user", json=body | {"mfa_code": code_of(otp)})
        self.run.secret(f"refresh token of {username}", tokens["refresh_token"])
        return self.run.secret(f"access token of {username}", tokens["access_token"])

    def guess(self) -> None:
        wrong = self.run.secret("wrong password")
        for body in (
            {"username": "ada", "password": wrong},
            {"username": "nobody-at-all", "password": wrong},
            {"username": "ada", "password": wrong, "mfa_code": "123456", "unknown": wrong},
            {"username": ["ada"], "password": [wrong]},
            [wrong],
        ):
            assert self.call("POST", "/token/user", json=body).status_code >= 400
        assert self.call("POST", "/token/user", content=f'{{"password": "{wrong}"').status_code == 400
        assert self.call("POST", "/token/node", json={"api_key": wrong}).status_code == 401
        assert self.call("GET", f"/user?token={wrong}&password={wrong}", token=wrong).status_code >= 400
        for scheme in ("Basic", "Bearer", "Token", ""):
            headers = {"Authorization": f"{scheme} {wrong}".strip(), "Cookie": f"session={wrong}", "X-Api-Key": wrong}
            assert self.call("GET", "/user", headers=headers).status_code >= 400

    def recover(self) -> None:
        self.good("POST", "/recover/lost", json={"username": "ada"})
        reset = self.run.secret("reset token", self.token_from("new password"))
        assert (
            self.call("POST", "/recover/reset", json={"reset_token": reset + "x", "password": "x"}).status_code >= 400
        )
        new = self.run.secret("recovered password")
        self.good("POST", "/recover/reset", json={"reset_token": reset, "password": new})
        assert self.call("POST", "/recover/reset", json={"reset_token": reset, "password": new}).status_code >= 400
        self.good("POST", "/recover/2fa/lost", json={"username": "ada", "password": new})
        factor = self.run.secret("factor token", self.token_from("second factor"))
        again = self.good("POST", "/recover/2fa/reset", json={"reset_token": factor})
        self.run.secret("second factor that was recovered", again["otp_secret"])

    def token_from(self, subject: str) -> str:
        """The token that comes by mail; not every mail about the matter has one."""

        def tokens() -> list[str]:
            mails = self.mailbox.to("ada@mail.example", subject)
            return [token_in(mail) for mail in mails if any(len(word) > 100 for word in text_of(mail).split())]

        eventually(tokens)
        return tokens()[-1]

    def sign_in_again(self) -> str:
        """As ada, whose sessions ended with the recovery."""
        password, otp = self.run.secrets["recovered password"], self.run.secrets["second factor that was recovered"]
        wait_for_time()
        body = {"username": "ada", "password": password, "mfa_code": code_of(otp)}
        return self.run.secret(
            "access token after the recovery", self.good("POST", "/token/user", json=body)["access_token"]
        )

    def change_password(self, token: str) -> None:
        change = {"current_password": self.run.secret("wrong current password"), "new_password": "Bb2-another"}
        assert self.call("PATCH", "/password/change", token, json=change).status_code == 401
        right = self.run.secrets["recovered password"]
        change = {"current_password": right, "new_password": self.run.secret("changed password")}
        self.good("PATCH", "/password/change", token, json=change)

    def use_the_shell(self) -> None:
        """Rightly, and so that it fails with the secret in its hands."""
        password = self.run.secret("password from the shell")
        lines = [f"user.password = {password!r}", "user.save()", f"db.Node.get()[0].api_key = {password!r}"]
        file = self.run.home.folder / "changes.py"
        file.write_text("\n".join(['user = db.User.get_by_username("ada")', *lines, ""]))
        self.run.home.give()
        self.run.vserver("shell", "-n", self.name, "--user", "--command", f"exec(open({str(file)!r}).read())")

    def work(self, root: str, ada: str) -> None:
        """A node signs in, hears of a task and answers it, as its container does too."""
        [collaboration] = self.good("GET", "/collaboration", root)
        organization = self.good("POST", "/organization", root, json={"name": "Other"})["id"]
        self.good("POST", f"/collaboration/{collaboration['id']}/organization", root, json={"id": organization})
        key = {"Idempotency-Key": self.run.secret("idempotency key")}
        wanted = {"organization_id": organization, "collaboration_id": collaboration["id"]}
        node = self.good("POST", "/node", root, json=wanted, headers=key)
        self.run.secret("node key", node["api_key"])
        reset = self.good("POST", "/recover/node", root, json={"id": node["id"]})
        tokens = self.good("POST", "/token/node", json={"api_key": self.run.secret("new node key", reset["api_key"])})
        token = self.run.secret("node token", tokens["access_token"])
        self.good("POST", "/token/refresh", self.run.secret("node refresh token", tokens["refresh_token"]))
        asyncio.run(self.hear(token, "websocket"))
        asyncio.run(self.hear(token, "polling"))
        task = self.good("POST", "/task", ada, json=task_of(collaboration["id"], [organization]))
        [result] = self.good("GET", f"/result?state=open&node_id={node['id']}", token)
        container = self.good("POST", "/token/container", token, json={"task_id": task["id"], "image": task["image"]})
        self.good("GET", "/organization", self.run.secret("container token", container["container_token"]))
        body = {"result": self.run.secret("result"), "log": "fine", "finished_at": "2024-05-06T07:08:09"}
        self.good("PATCH", f"/result/{result['id']}", token, json=body)

    async def hear(self, token: str, transport: str) -> None:
        wrong = self.run.secret("wrong socket token", f"{token[:-20]}{secrets.token_urlsafe(15)}")
        for shown in (token, wrong):
            client = new_client(reconnection=False)
            headers = {"Authorization": f"Bearer {shown}"}
            url = self.api.removesuffix("/api")
            await client.connect(url, headers=headers, namespaces=["/tasks"], transports=[transport], wait_timeout=30)
            await client.emit("ping", namespace="/tasks")
            await asyncio.sleep(0.5)
            await client.disconnect()


def task_of(collaboration: int, organizations: list[int]) -> dict[str, Any]:
    text = base64.b64encode(b'{"master": false}').decode()
    return {
        "name": "count",
        "image": "registry.example/count:1",
        "collaboration_id": collaboration,
        "organizations": [{"id": organization, "input": text} for organization in organizations],
    }


def test_no_secret_is_in_any_log_nor_in_what_the_command_says(run: Run) -> None:
    assert len(run.secrets) > 25
    texts = run.logs() | {f"the command's words {number}": text for number, text in enumerate(run.said)}
    found = {
        (what, place)
        for what, value in run.secrets.items()
        for piece in in_all_spellings(value)
        for place, text in texts.items()
        if piece in text
    }
    assert found == set()


def test_the_search_would_have_found_them(run: Run, tmp_path: Path) -> None:
    value = run.secrets["access token of root"]
    for spelled in (value, value[20:40], quote(value), base64.b64encode(b"ab" + value.encode()).decode(), f"[{value}]"):
        assert any(piece in spelled for piece in in_all_spellings(value))


def test_all_parts_wrote_all_they_can_into_the_one_file(run: Run) -> None:
    log = "".join(text for name, text in run.logs().items() if "-test-user.log" in name)
    for component in ("migrate", "auth", "entity", "dispatch", "worker", "beat"):
        assert f"component={component}" in log, component
    for loud in ("DEBUG", "path=/api/recover/reset", "sqlalchemy.engine", "[SQL parameters hidden", "a mail was sent"):
        assert loud in log, loud
