"""POST token/refresh for users: the token object again, with a refresh token that works once."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from support.arrange import PASSWORD, Arrangement, at_once
from support.services import Api, Services, unique
from support.tokens import claims_of


@pytest.fixture
def api(services: Services, there: Arrangement, organization: int) -> Api:
    name = unique("ada")
    there.user(organization, username=name)
    return services.login(name, PASSWORD)


def refresh(services: Services, token: str) -> httpx.Response:
    return services.anyone.post("/token/refresh", headers={"Authorization": f"Bearer {token}"})


def let_a_minute_pass(there: Arrangement, token: str) -> None:
    earlier = datetime.now(UTC) - timedelta(seconds=61)
    there.run(
        "UPDATE refreshsession SET revoked_at = :at WHERE jti = :jti AND revoked_at IS NOT NULL",
        at=earlier,
        jti=claims_of(token)["jti"],
    )


def test_it_answers_the_whole_token_object(services: Services, api: Api) -> None:
    response = refresh(services, api.tokens["refresh_token"])
    body = response.json()
    assert response.status_code == 200
    assert body.keys() == {"access_token", "refresh_token", "refresh_url", "user_url"}
    assert body["user_url"] == api.tokens["user_url"]
    assert body["refresh_token"] != api.tokens["refresh_token"]
    assert Api(services.addresses, body["access_token"]).get(body["user_url"].removeprefix("/api")).status_code == 200


def test_the_next_refresh_token_works_too(services: Services, api: Api) -> None:
    second = refresh(services, api.tokens["refresh_token"]).json()["refresh_token"]
    assert refresh(services, second).status_code == 200


def test_a_client_that_repeats_itself_at_once_is_forgiven(services: Services, api: Api) -> None:
    first = api.tokens["refresh_token"]
    answers = at_once(3, lambda: refresh(services, first))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert refresh(services, answers[0].json()["refresh_token"]).status_code == 200


def test_a_client_that_keeps_the_token_of_its_sign_in_refreshes_again_and_again(
    services: Services, there: Arrangement, api: Api
) -> None:
    """As those of the 3.4 line do: they take the new access token alone."""
    first = api.tokens["refresh_token"]
    for _ in range(3):
        assert refresh(services, first).status_code == 200
        let_a_minute_pass(there, first)


def test_a_token_whose_successor_was_used_ends_all_of_its_family(
    services: Services, there: Arrangement, api: Api
) -> None:
    first = api.tokens["refresh_token"]
    second = refresh(services, first).json()["refresh_token"]
    third = refresh(services, second).json()["refresh_token"]
    let_a_minute_pass(there, first)
    let_a_minute_pass(there, second)
    assert refresh(services, first).status_code == 401
    assert refresh(services, third).status_code == 401
    assert refresh(services, first).status_code == 401


def test_a_successor_that_another_pushed_out_ends_all_of_its_family(
    services: Services, there: Arrangement, api: Api
) -> None:
    first = api.tokens["refresh_token"]
    second = refresh(services, first).json()["refresh_token"]
    let_a_minute_pass(there, first)
    thiefs = refresh(services, first).json()["refresh_token"]
    assert refresh(services, second).status_code == 401
    assert refresh(services, thiefs).status_code == 401
    assert refresh(services, first).status_code == 401


def test_the_end_of_one_family_leaves_other_sign_ins(
    services: Services, there: Arrangement, api: Api, organization: int
) -> None:
    [row] = there.rows('SELECT username FROM "user" WHERE id = :id', id=claims_of(api.tokens["access_token"])["sub"])
    other = services.login(row["username"], PASSWORD)
    second = refresh(services, api.tokens["refresh_token"]).json()["refresh_token"]
    refresh(services, second)
    let_a_minute_pass(there, api.tokens["refresh_token"])
    assert refresh(services, api.tokens["refresh_token"]).status_code == 401
    assert refresh(services, other.tokens["refresh_token"]).status_code == 200


def test_an_access_token_does_not_refresh(services: Services, api: Api) -> None:
    assert refresh(services, api.tokens["access_token"]).status_code == 422


def test_a_refresh_token_does_not_give_access(services: Services, api: Api) -> None:
    assert Api(services.addresses, api.tokens["refresh_token"]).get("/rule").status_code == 422


def test_an_expired_token_is_refused(services: Services, there: Arrangement, api: Api) -> None:
    user = claims_of(api.tokens["access_token"])["sub"]
    expired = there.token(user, "user", type="refresh", exp=datetime.now(UTC) - timedelta(minutes=1))
    assert refresh(services, expired).status_code == 401


def test_a_token_that_was_never_given_out_is_refused(services: Services, there: Arrangement, api: Api) -> None:
    user = claims_of(api.tokens["access_token"])["sub"]
    assert refresh(services, there.token(user, "user", type="refresh")).status_code == 401


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic x", "Bearer a.b.c"])
def test_a_malformed_token_is_unprocessable(services: Services, header: str) -> None:
    response = services.anyone.post("/token/refresh", headers={"Authorization": header})
    assert response.status_code == 422
    assert isinstance(response.json()["msg"], str)


def test_without_a_token_it_is_unauthorized(services: Services) -> None:
    assert services.anyone.post("/token/refresh").status_code == 401


def test_a_deleted_user_refreshes_no_more(services: Services, there: Arrangement, api: Api) -> None:
    user = claims_of(api.tokens["access_token"])["sub"]
    assert services.login("root", "root").delete(f"/user/{user}").status_code == 200
    refused = refresh(services, api.tokens["refresh_token"])
    assert refused.status_code == 401
    assert "no longer exists" in refused.json()["msg"]
    assert api.get("/rule").status_code == 401


def test_expired_sessions_are_forgotten_when_new_ones_come(services: Services, there: Arrangement, api: Api) -> None:
    jti = claims_of(api.tokens["refresh_token"])["jti"]
    earlier = datetime.now(UTC) - timedelta(hours=1)
    there.run("UPDATE refreshsession SET expires_at = :at WHERE jti = :jti", at=earlier, jti=jti)
    services.login("root", "root")
    assert there.rows("SELECT id FROM refreshsession WHERE jti = :jti", jti=jti) == []
