"""What a configuration says is what a started server does: written by `vserver new`, seen through the gateway."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.accounts import throw_away_account
from support.codes import code_of, wait_for_time
from support.local import Home, new_home
from support.processes import free_port

ROOT = {"username": "root", "password": "root"}


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """The home of an ordinary user."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


def ok(home: Home, *arguments: str) -> dict[str, Any]:
    done = home.vserver(*arguments, "--user", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["data"]


def started(home: Home, name: str, **settings: object) -> str:
    """The address of a new server with these settings (`__` for the dot of a key)."""
    words = [f"{key.replace('__', '.')}={value}" for key, value in settings.items()]
    words += ["description=x", "ip=127.0.0.1", f"port={free_port()}", "uri=sqlite:///x.sqlite"]
    ok(home, "new", "-n", name, "-e", "dev", *(word for setting in words for word in ("--set", setting)))
    return ok(home, "start", "-n", name, "--driver", "local")["address"]


@pytest.fixture(scope="module")
def address(home: Home) -> Iterator[str]:
    """A server for which all of it is set."""
    yield started(
        home,
        "set",
        token_expires_hours=1.5,
        refresh_token_expires_hours=3,
        password_policy__max_failed_attempts=2,
        password_policy__inactivation_minutes=7,
        two_factor_auth="true",
        directories__data=home.folder / "mine",
        directories__log=home.folder / "logs",
    )
    home.vserver("stop", "-n", "set", "--user")


def lifetime(token: str) -> float:
    """Hours from a token's beginning to its end."""
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return (claims["exp"] - claims["iat"]) / 3600


def sign_in(address: str, **body: str) -> httpx.Response:
    return httpx.post(f"{address}/token/user", json=ROOT | body, timeout=30, trust_env=False)


@dataclass(frozen=True)
class SignedIn:
    """What the two steps of the first sign-in were answered."""

    factor: dict[str, Any]
    tokens: dict[str, Any]


@pytest.fixture(scope="module")
def signed_in(address: str) -> SignedIn:
    factor = sign_in(address)
    wait_for_time()
    tokens = sign_in(address, mfa_code=code_of(factor.json()["otp_secret"]))
    assert (factor.status_code, tokens.status_code) == (200, 200)
    return SignedIn(factor.json(), tokens.json())


def test_a_second_factor_is_asked_for_where_two_factor_auth_says_so(signed_in: SignedIn) -> None:
    assert signed_in.factor.keys() >= {"qr_uri", "otp_secret"}
    assert "access_token" not in signed_in.factor


def test_access_tokens_live_as_long_as_token_expires_hours_says(signed_in: SignedIn) -> None:
    assert lifetime(signed_in.tokens["access_token"]) == pytest.approx(1.5, abs=0.01)


def test_refresh_tokens_live_as_long_as_refresh_token_expires_hours_says(signed_in: SignedIn) -> None:
    assert lifetime(signed_in.tokens["refresh_token"]) == pytest.approx(3, abs=0.01)


def test_data_and_log_lie_where_directories_says_and_files_tells_it(home: Home, address: str) -> None:
    told = ok(home, "files", "-n", "set")
    data, log = home.folder / "mine", home.folder / "logs"
    assert Path(told["data"]).is_relative_to(data)
    assert Path(told["log"]) == log / "set-dev.log"
    assert Path(told["log"]).stat().st_size
    assert list(data.rglob("x.sqlite"))
    assert not (home.folder / "data" / "dataquality" / "server" / "set").exists()


@pytest.mark.usefixtures("signed_in")
def test_an_account_is_locked_after_as_many_failures_as_password_policy_says(address: str) -> None:
    """The last of these tests that signs in."""
    assert sign_in(address).status_code == 200, "the right password alone: it asks for the code"
    for _ in range(2):
        assert sign_in(address, password="wrong").status_code == 401
    assert sign_in(address).status_code == 401, "the right password no longer helps"
