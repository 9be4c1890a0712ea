"""Two-factor sign-in: rest-api.md section 1, "2FA"."""

import base64
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from dataquality.auth.twofactor import counter_of
from support.arrange import PASSWORD, Arrangement, at_once
from support.codes import STEP, code_at, code_of, wait_for_time
from support.databases import PostgresServer, SqliteFiles
from support.services import Services, running_services, unique
from support.valkey import ValkeyServer

_ON = {"DATAQUALITY_TWO_FACTOR_AUTH": "true"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def asking(
    request: pytest.FixtureRequest, sqlite_files: SqliteFiles, valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:  # fmt: skip
    """An auth service that asks for a second factor."""
    server: SqliteFiles | PostgresServer = sqlite_files
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
    folder, redis = tmp_path_factory.mktemp("two-factor"), valkey_server.database(16)
    with server.migrated_database() as url, running_services(folder, url, redis, ("auth",), _ON) as services:
        yield services


@pytest.fixture
def there(asking: Services) -> Arrangement:
    return Arrangement(asking)


@pytest.fixture
def username(there: Arrangement) -> str:
    name = unique("ada")
    there.user(there.organization(), username=name, grants=[("user", "VIEW", "GLOBAL")])
    return name


@pytest.fixture
def secret(there: Arrangement, username: str) -> str:
    """The user has a second factor already, whose codes nobody used yet."""
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    there.run('UPDATE "user" SET otp_secret = :secret WHERE username = :name', secret=secret, name=username)
    return secret


def sign_in(services: Services, username: str, code: object = None, password: str = PASSWORD) -> httpx.Response:
    body = {"username": username, "password": password} | ({} if code is None else {"mfa_code": code})
    return services.anyone.post("/token/user", json=body)


def sign_in_with_the_code_before(services: Services, username: str, secret: str) -> httpx.Response:
    """Again where the step ended on the way: the code was that before the last by then."""
    while True:
        wait_for_time()
        step = time.time() // STEP
        answer = sign_in(services, username, code_of(secret, -1))
        if is_signed_in(answer) or time.time() // STEP == step:
            return answer


def is_signed_in(response: httpx.Response) -> bool:
    return response.status_code == 200 and "access_token" in response.json()


def test_the_first_sign_in_gives_the_secret_once_and_its_codes_then_sign_in(asking: Services, username: str) -> None:
    first = sign_in(asking, username)
    assert (first.status_code, first.json().keys()) == (200, {"qr_uri", "otp_secret", "msg"})
    assert "jwt-token" not in first.headers
    secret, uri = first.json()["otp_secret"], urlsplit(str(first.json()["qr_uri"]))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert username in uri.path
    assert parse_qs(uri.query)["secret"] == [secret]

    second = sign_in(asking, username)
    assert (second.status_code, second.json().keys()) == (200, {"msg"})
    assert is_signed_in(sign_in(asking, username, code_of(secret)))


def test_first_sign_ins_at_once_give_one_secret(asking: Services, username: str) -> None:
    answers = at_once(3, lambda: sign_in(asking, username))
    [secret] = [answer.json()["otp_secret"] for answer in answers if "otp_secret" in answer.json()]
    assert is_signed_in(sign_in(asking, username, code_of(secret)))


def test_a_wrong_password_gives_no_secret_and_asks_for_no_code(asking: Services, username: str) -> None:
    refused = sign_in(asking, username, password="wrong")
    unknown = sign_in(asking, unique("nobody"))
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.status_code == 401


def test_the_secret_is_in_no_other_reply(asking: Services, username: str, secret: str) -> None:
    answer = sign_in(asking, username, code_of(secret))
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    path = answer.json()["user_url"].removeprefix("/api")
    replies = [asking.anyone.get(where, headers=headers) for where in (path, "/user")]
    assert {reply.status_code for reply in replies} == {200}
    assert all("otp" not in reply.text and secret not in reply.text for reply in (answer, *replies))
    assert secret not in asking.log("auth")


def test_a_code_works_once_even_at_once(asking: Services, username: str, secret: str) -> None:
    code = code_of(secret)
    answers = at_once(3, lambda: sign_in(asking, username, code))
    assert sum(map(is_signed_in, answers)) == 1
    assert sign_in(asking, username, code).status_code == 401


def test_the_code_before_works_but_not_after_a_later_one(asking: Services, username: str, secret: str) -> None:
    assert is_signed_in(sign_in_with_the_code_before(asking, username, secret))
    now = code_of(secret)
    assert is_signed_in(sign_in(asking, username, now))
    assert sign_in(asking, username, code_of(secret, -1)).status_code == 401


def test_a_code_may_be_a_number_without_its_leading_zeros_or_be_written_in_groups(
    asking: Services, there: Arrangement, username: str
) -> None:
    candidates = (base64.b32encode(secrets.token_bytes(20)).decode() for _ in range(1000))
    secret = next(one for one in candidates if code_of(one).startswith("0"))
    there.run('UPDATE "user" SET otp_secret = :secret WHERE username = :name', secret=secret, name=username)
    code = code_of(secret)
    assert is_signed_in(sign_in(asking, username, int(code)))
    there.run('UPDATE "user" SET otp_last_counter = NULL WHERE username = :name', name=username)
    assert is_signed_in(sign_in(asking, username, f"{code[:3]} {code[3:]}"))


def test_wrong_codes_lock_and_a_right_password_in_between_forgets_none(
    asking: Services, username: str, secret: str
) -> None:
    for _ in range(4):
        assert sign_in(asking, username, wrong_code(secret)).status_code == 401
        assert sign_in(asking, username).json().keys() == {"msg"}
    assert sign_in(asking, username, wrong_code(secret)).status_code == 401
    assert sign_in(asking, username, code_of(secret)).status_code == 401


@pytest.mark.parametrize("code", [-1, 1_000_000, True, 1.5, ["123456"], {}])
def test_what_can_be_no_code_is_a_bad_request(asking: Services, username: str, code: object) -> None:
    assert sign_in(asking, username, code).status_code == 400


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦"])
def test_text_that_is_not_the_code_does_not_sign_in(asking: Services, username: str, secret: str, code: str) -> None:
    assert not is_signed_in(sign_in(asking, username, code))


def test_where_it_is_off_the_password_is_enough(services: Services) -> None:
    there, name = Arrangement(services), unique("ada")
    there.user(there.organization(), username=name)
    there.run('UPDATE "user" SET otp_secret = :secret WHERE username = :name', secret="A" * 32, name=name)
    assert is_signed_in(sign_in(services, name))
    assert is_signed_in(sign_in(services, name, "123456"))


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(moment: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    now = datetime.fromtimestamp(moment, UTC)
    assert code_at(secret, moment) == code
    assert counter_of(secret, code, now) == moment // 30
    assert counter_of(secret, code_at(secret, moment - 30), now) == moment // 30 - 1
    assert counter_of(secret, code_at(secret, moment - 60), now) is None
    assert counter_of(secret, code_at(secret, moment + 30), now) is None


def wrong_code(secret: str) -> str:
    right = {code_of(secret, steps) for steps in range(-3, 4)}
    return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
                if code not in right)  # fmt: skip
