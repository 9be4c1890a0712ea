"""POST token/node, and how nodes refresh: rest-api.md section 1."""

import uuid

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from support.arrange import Arrangement
from support.databases import PostgresServer
from support.services import Api, Services, running_services
from support.tokens import claims_of
from support.valkey import ValkeyServer


@pytest.fixture
def api_key() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def node(there: Arrangement, organization: int, api_key: str) -> int:
    return there.node(organization, there.collaboration(organization), api_key)


def sign_in(services: Services, api_key: object) -> httpx.Response:
    return services.anyone.post("/token/node", json={"api_key": api_key})


def refresh(services: Services, token: str) -> httpx.Response:
    return services.anyone.post("/token/refresh", headers={"Authorization": f"Bearer {token}"})


def test_a_node_gets_the_token_object_and_the_header(services: Services, node: int, api_key: str) -> None:
    response = sign_in(services, api_key)
    body = response.json()
    assert response.status_code == 200
    assert body.keys() == {"access_token", "refresh_token", "refresh_url", "node_url"}
    assert (body["refresh_url"], body["node_url"]) == ("/api/token/refresh", f"/api/node/{node}")
    assert response.headers["jwt-token"] == body["access_token"]


def test_the_claims_of_a_node(services: Services, node: int, api_key: str) -> None:
    body = sign_in(services, api_key).json()
    access, refreshing = claims_of(body["access_token"]), claims_of(body["refresh_token"])
    assert (access["sub"], access["client_type"], access["roles"]) == (node, "node", [])
    assert access["exp"] - access["iat"] == 6 * 3600
    assert "exp" not in refreshing


def test_a_token_says_which_sign_in_it_comes_from_and_later_ones_are_larger(
    services: Services, node: int, api_key: str
) -> None:
    first, second = sign_in(services, api_key).json(), sign_in(services, api_key).json()
    again = refresh(services, first["refresh_token"]).json()
    numbers = [claims_of(body["access_token"])["sign_in"] for body in (first, again, second)]
    assert numbers[0] == numbers[1] < numbers[2]


def test_an_unknown_key_is_unauthorized(services: Services) -> None:
    assert sign_in(services, str(uuid.uuid4())).status_code == 401


@pytest.mark.parametrize("body", [{}, {"api_key": None}, {"api_key": 7}])
def test_a_missing_key_is_a_bad_request(services: Services, body: object) -> None:
    assert services.anyone.post("/token/node", json=body).status_code == 400


def test_a_key_that_a_person_chose_is_checked_slowly_too(
    services: Services, there: Arrangement, organization: int
) -> None:
    key = "44444444-4444-4444-4444-444444444444"
    there.run("DELETE FROM node WHERE name = 'chosen'")
    node = there.node(organization, there.collaboration(organization), key, slow_hash_of=key)
    there.run("UPDATE node SET name = 'chosen' WHERE id = :id", id=node)
    assert sign_in(services, key).status_code == 200


def test_a_slow_hash_that_does_not_fit_refuses(
    services: Services, there: Arrangement, organization: int, api_key: str
) -> None:
    there.node(organization, there.collaboration(organization), api_key, slow_hash_of="another")
    assert sign_in(services, api_key).status_code == 401


def test_a_node_keeps_its_refresh_token_for_ever(services: Services, node: int, api_key: str) -> None:
    token = sign_in(services, api_key).json()["refresh_token"]
    answers = [refresh(services, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.json()["refresh_token"] for answer in answers} == {token}
    assert answers[0].json().keys() == {"access_token", "refresh_token", "refresh_url", "node_url"}
    assert claims_of(answers[0].json()["access_token"])["sub"] == node


def test_a_revoked_refresh_token_of_a_node_is_refused(
    services: Services, there: Arrangement, node: int, api_key: str
) -> None:
    token = sign_in(services, api_key).json()["refresh_token"]
    there.run("UPDATE refreshsession SET revoked_at = issued_at WHERE authenticatable_id = :node", node=node)
    assert refresh(services, token).status_code == 401


def test_a_deleted_node_refreshes_no_more(services: Services, there: Arrangement, node: int, api_key: str) -> None:
    token = sign_in(services, api_key).json()["refresh_token"]
    there.run("DELETE FROM node WHERE id = :node", node=node)
    refused = refresh(services, token)
    assert refused.status_code == 401
    assert "no longer exists" in refused.json()["msg"]


def test_a_node_that_starts_over_and_over_does_not_fill_the_table(
    services: Services, there: Arrangement, node: int, api_key: str
) -> None:
    tokens = [sign_in(services, api_key).json()["refresh_token"] for _ in range(60)]
    rows = there.rows("SELECT id FROM refreshsession WHERE authenticatable_id = :node", node=node)
    assert len(rows) < 60
    assert (refresh(services, tokens[0]).status_code, refresh(services, tokens[-1]).status_code) == (401, 200)


@pytest.mark.parametrize("path", ["/user", "/role", "/rule", "/user/1"])
def test_a_node_is_told_that_a_users_address_is_not_for_it(
    services: Services, there: Arrangement, node: int, path: str
) -> None:
    response = Api(services.addresses, there.token(node, "node")).get(path)
    assert response.status_code == 401
    assert isinstance(response.json()["msg"], str)


def test_a_database_that_is_away_is_a_503_and_never_a_401(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, redis = tmp_path_factory.mktemp("auth"), valkey_server.database(13)
    with postgres_server.migrated_database() as url, running_services(folder, url, redis, ("auth",)) as services:
        assert services.anyone.get("/health").json() == {"database": True}
        close_database(postgres_server, url)
        for path, body in (
            ("/token/node", {"api_key": str(uuid.uuid4())}),
            ("/token/user", {"username": "root", "password": "root"}),
        ):
            response = services.anyone.post(path, json=body)
            assert response.status_code == 503, response.text
            assert "Retry-After" in response.headers
        health = services.anyone.get("/health")
        assert (health.status_code, health.json()) == (200, {"database": False})
        ready = httpx.get(f"{services.addresses['auth']}/internal/ready", trust_env=False, timeout=30)
        assert ready.status_code == 503


def close_database(server: PostgresServer, url: str) -> None:
    name = make_url(url).database
    server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.replace("+psycopg", ""))
