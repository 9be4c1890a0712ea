"""Limits on failed sign-ins: they count failures only, never let an address be forged, and never keep a node out."""

import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.arrange import PASSWORD, Arrangement, at_once
from support.databases import SqliteFiles
from support.gateway import behind_gateway
from support.services import Services, running_services, unique
from support.tokens import claims_of
from support.valkey import ValkeyServer

PER_ADDRESS, PER_ACCOUNT, WINDOW = 4, 7, 300
PROXY = "10.0.0.7"
_LOW = {
    "DATAQUALITY_FAILURES_PER_ADDRESS": str(PER_ADDRESS),
    "DATAQUALITY_FAILURES_PER_ACCOUNT": str(PER_ACCOUNT),
    "DATAQUALITY_FAILURE_WINDOW_SECONDS": str(WINDOW),
    "DATAQUALITY_TRUSTED_PROXIES": '["10.0.0.0/8"]',
}
_numbers = count(1)


@pytest.fixture(scope="module")
def limited(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """An auth service with low limits, and no lock."""
    folder, redis = tmp_path_factory.mktemp("limits"), valkey_server.database(17)
    environment = _LOW | {"DATAQUALITY_MAX_FAILED_ATTEMPTS": "1000"}
    with (
        sqlite_files.migrated_database() as url,
        running_services(folder, url, redis, ("auth",), environment) as services,
    ):
        yield services


@pytest.fixture
def there(limited: Services) -> Arrangement:
    return Arrangement(limited)


@pytest.fixture
def username(there: Arrangement) -> str:
    name = unique("ada")
    there.user(there.organization(), username=name)
    return name


@pytest.fixture
def address() -> str:
    """An address that no other test calls from."""
    return new_address()


def new_address() -> str:
    number = next(_numbers)
    return f"198.18.{number // 250}.{number % 250 + 1}"


def sign_in(services: Services, address: str, username: str, password: str = PASSWORD) -> httpx.Response:
    """As the gateway passes it on, which heard from `address`."""
    body = {"username": username, "password": password}
    return services.anyone.post("/token/user", json=body, headers={"X-Forwarded-For": address})


def node_sign_in(services: Services, address: str, api_key: str) -> httpx.Response:
    return services.anyone.post("/token/node", json={"api_key": api_key}, headers={"X-Forwarded-For": address})


def fail(services: Services, address: str, times: int = PER_ADDRESS) -> list[int]:
    """Sign in with names that nobody has."""
    return [sign_in(services, address, unique("nobody")).status_code for _ in range(times)]


def is_over(response: httpx.Response) -> bool:
    if response.status_code != 429:
        return False
    assert 1 <= int(response.headers["Retry-After"]) <= WINDOW
    assert isinstance(response.json()["msg"], str)
    return True


def test_an_address_that_failed_too_often_must_wait_and_others_need_not(
    limited: Services, username: str, address: str
) -> None:
    assert fail(limited, address) == [401] * PER_ADDRESS
    assert is_over(sign_in(limited, address, unique("nobody")))
    assert is_over(sign_in(limited, address, username))
    assert sign_in(limited, new_address(), username).status_code == 200


@given(rights=st.lists(st.booleans(), min_size=PER_ADDRESS, max_size=12))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_successes_never_count(limited: Services, username: str, rights: list[bool]) -> None:
    address, failures = new_address(), 0
    for right in rights:
        status = sign_in(limited, address, username if right else unique("nobody")).status_code
        expected = 429 if failures == PER_ADDRESS else 200 if right else 401
        assert status == expected
        failures += status == 401


def test_wrong_passwords_at_once_are_checked_as_often_as_one_after_another(limited: Services, address: str) -> None:
    answers = at_once(20, lambda: sign_in(limited, address, unique("nobody")))
    assert sorted(answer.status_code for answer in answers) == [401] * PER_ADDRESS + [429] * (20 - PER_ADDRESS)


def test_right_passwords_at_once_wait_for_one_another(limited: Services, there: Arrangement, address: str) -> None:
    organization = there.organization()
    names = [unique("ada") for _ in range(20)]
    for name in names:
        there.user(organization, username=name)
    assert {answer.status_code for answer in at_once(20, lambda: sign_in(limited, address, names.pop()))} == {200}


def test_an_account_that_is_tried_from_everywhere_must_wait_whether_it_exists_or_not(
    limited: Services, username: str
) -> None:
    texts: set[str] = set()
    for name in (username, unique("nobody")):
        answers = [sign_in(limited, new_address(), name, "wrong") for _ in range(PER_ACCOUNT)]
        assert [answer.status_code for answer in answers] == [401] * PER_ACCOUNT
        over = sign_in(limited, new_address(), name)
        assert is_over(over)
        texts |= {over.json()["code"], *(answer.text for answer in answers)}
    assert len(texts) == 2


@pytest.mark.parametrize("form", ["{forged}, {address}", "{forged},{address}, " + PROXY, "{address}, " + PROXY])
def test_a_forged_address_does_not_help(limited: Services, username: str, address: str, form: str) -> None:
    for _ in range(PER_ADDRESS):
        assert fail(limited, form.format(forged=new_address(), address=address), 1) == [401]
    assert is_over(sign_in(limited, form.format(forged=new_address(), address=address), username))
    assert is_over(sign_in(limited, address, username))


def test_what_a_client_says_of_its_address_does_not_get_past_the_gateway(
    limited: Services, there: Arrangement, username: str
) -> None:
    # Two clients of this machine, with an address each.
    first, second = (httpx.HTTPTransport(local_address=f"127.0.0.{host}") for host in (2, 3))
    with behind_gateway(limited) as server:
        url, body = f"{server.url}/api/token/user", {"username": username, "password": PASSWORD}
        with httpx.Client(transport=first, timeout=30) as client:
            for number in range(PER_ADDRESS):
                forged = {"X-Forwarded-For": f"{new_address()}, 127.0.0.3", "X-Real-IP": "127.0.0.3"}
                answer = client.post(url, json=body | {"username": unique(f"nobody{number}")}, headers=forged)
                assert answer.status_code == 401
            assert is_over(client.post(url, json=body, headers={"X-Forwarded-For": new_address()}))
        with httpx.Client(transport=second, timeout=30) as client:
            assert client.post(url, json=body).status_code == 200
    [row] = there.rows(
        'SELECT ip FROM authenticatable JOIN "user" USING (id) WHERE username = :name',
        name=username,
    )
    assert row["ip"] == "127.0.0.3"


def test_nobody_can_lock_another_address_out_by_naming_it(limited: Services, username: str, address: str) -> None:
    for _ in range(PER_ADDRESS):
        fail(limited, f"{address}, {new_address()}", 1)
    assert sign_in(limited, address, username).status_code == 200


def test_a_network_of_ipv6_has_one_limit(limited: Services, username: str) -> None:
    network = f"2001:db8:0:{next(_numbers):x}"
    assert [status for host in range(PER_ADDRESS) for status in fail(limited, f"{network}::{host + 1:x}", 1)] == [
        401
    ] * 4
    assert is_over(sign_in(limited, f"{network}:1:2:3:4", username))


def test_a_wrong_key_is_unknown_until_the_limit_and_a_right_one_always_gets_in(
    limited: Services, there: Arrangement, address: str
) -> None:
    key, organization = str(uuid.uuid4()), there.organization()
    there.node(organization, there.collaboration(organization), key)
    answers = [node_sign_in(limited, address, str(uuid.uuid4())).status_code for _ in range(PER_ADDRESS)]
    assert answers == [401] * PER_ADDRESS
    assert is_over(node_sign_in(limited, address, str(uuid.uuid4())))
    assert node_sign_in(limited, address, key).status_code == 200
    assert [node_sign_in(limited, new_address(), key).status_code for _ in range(PER_ADDRESS * 2)] == [200] * 8


def test_a_key_that_a_person_chose_is_held_to_the_limit(limited: Services, there: Arrangement, address: str) -> None:
    key, organization = unique("a chosen key"), there.organization()
    there.node(organization, there.collaboration(organization), key, slow_hash_of=key)
    for _ in range(PER_ADDRESS):
        assert node_sign_in(limited, address, unique("another key")).status_code == 401
    assert is_over(node_sign_in(limited, address, key))
    assert node_sign_in(limited, new_address(), key).status_code == 200


def test_failed_sign_ins_of_users_do_not_keep_a_node_out(limited: Services, there: Arrangement, address: str) -> None:
    key, organization = str(uuid.uuid4()), there.organization()
    there.node(organization, there.collaboration(organization), key)
    fail(limited, address)
    assert node_sign_in(limited, address, key).status_code == 200


def test_wrong_current_passwords_count_as_well(limited: Services, username: str, address: str) -> None:
    api, headers = limited.login(username, PASSWORD), {"X-Forwarded-For": address}
    body = {"current_password": "wrong", "new_password": "Another-2-word"}
    answers = [api.patch("/password/change", json=body, headers=headers).status_code for _ in range(PER_ADDRESS)]
    assert answers == [401] * PER_ADDRESS
    assert is_over(api.patch("/password/change", json=body | {"current_password": PASSWORD}, headers=headers))
    assert is_over(sign_in(limited, address, username))
    assert sign_in(limited, new_address(), username).status_code == 200


def test_the_address_of_the_last_sign_in_is_told(limited: Services, there: Arrangement, address: str) -> None:
    name, key, organization = unique("ada"), str(uuid.uuid4()), there.organization()
    there.user(organization, username=name)
    node = there.node(organization, there.collaboration(organization), key)
    token = sign_in(limited, f"192.0.2.66, {address}, {PROXY}", name).json()["access_token"]
    path = f"/user/{claims_of(token)['sub']}"
    told = limited.anyone.get(path, headers={"Authorization": f"Bearer {token}"}).json()
    assert told["ip"] == address
    node_sign_in(limited, address, key)
    [row] = there.rows("SELECT ip, last_seen FROM authenticatable WHERE id = :id", id=node)
    assert row["ip"] == address
    assert row["last_seen"] is not None


def test_without_redis_there_are_no_limits_and_that_is_counted(
    sqlite_files: SqliteFiles, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, address: str
) -> None:
    valkey = ValkeyServer(tmp_path_factory.mktemp("own-valkey"))
    with (
        sqlite_files.migrated_database() as url,
        running_services(tmp_path, url, valkey.url, ("auth",), _LOW) as services,
    ):
        valkey.stop()
        assert fail(services, address, PER_ADDRESS + 2) == [401] * (PER_ADDRESS + 2)
        assert sign_in(services, address, "root", "root").status_code == 200
        token = Arrangement(services).service_token()
        metrics = httpx.get(
            f"{services.addresses['auth']}/internal/metrics",
            headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30,
        ).text  # fmt: skip
        [line] = [line for line in metrics.splitlines() if line.startswith("dataquality_limits_off_total")]
        assert float(line.split()[1]) > PER_ADDRESS
        assert services.anyone.post("/token/node", json={"api_key": str(uuid.uuid4())}).status_code == 401
