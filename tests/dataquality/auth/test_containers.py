"""POST token/container: rest-api.md section 1."""

import uuid
from dataclasses import dataclass

import httpx
import pytest

from support.arrange import Arrangement
from support.services import Api, Services
from support.tokens import claims_of

DAY = 24 * 60 * 60


@dataclass
class Site:
    """A node in a collaboration, and a task for it."""

    api: Api
    node: int
    organization: int
    collaboration: int
    task: int

    def ask(self, **differing: object) -> httpx.Response:
        return self.api.post("/token/container", json={"task_id": self.task, "image": "registry/avg:1"} | differing)


@pytest.fixture
def site(services: Services, there: Arrangement, organization: int) -> Site:
    collaboration = there.collaboration(organization)
    node = there.node(organization, collaboration, str(uuid.uuid4()))
    task = there.task(collaboration, organization, image="registry/avg:1")
    return Site(Api(services.addresses, there.token(node, "node")), node, organization, collaboration, task)


def test_a_node_gets_a_token_for_an_algorithm(site: Site) -> None:
    response = site.ask()
    claims = claims_of(response.json()["container_token"])
    assert response.status_code == 200
    assert (claims["client_type"], claims["type"], claims["roles"]) == ("container", "access", [])
    assert claims["sub"] == {
        "client_type": "container",
        "node_id": site.node,
        "organization_id": site.organization,
        "collaboration_id": site.collaboration,
        "task_id": site.task,
        "image": "registry/avg:1",
        "database": "default",
    }


def test_container_token_expires_but_not_while_an_algorithm_runs(site: Site) -> None:
    claims = claims_of(site.ask().json()["container_token"])
    assert 90 * DAY <= claims["exp"] - claims["iat"] <= 366 * DAY


def test_an_unknown_task_is_a_bad_request(site: Site) -> None:
    assert site.ask(task_id=2_000_000_000).status_code == 400


@pytest.mark.parametrize("image", ["registry/avg:2", "avg:1", "x/registry/avg:1", ""])
def test_another_image_than_the_tasks_is_unauthorized(site: Site, image: str) -> None:
    assert site.ask(image=image).status_code == 401


def test_a_task_of_another_collaboration_is_unauthorized(there: Arrangement, site: Site) -> None:
    elsewhere = there.collaboration(site.organization)
    assert site.ask(task_id=there.task(elsewhere, site.organization, image="registry/avg:1")).status_code == 401


def test_a_complete_task_is_a_bad_request(there: Arrangement, site: Site) -> None:
    there.finish(site.task)
    assert site.ask().status_code == 400


def test_a_task_that_still_runs_elsewhere_has_ended_for_this_node(there: Arrangement, site: Site) -> None:
    task = there.task(site.collaboration, site.organization, there.organization(), image="registry/avg:1")
    assert site.ask(task_id=task).status_code == 200
    there.run(
        "UPDATE result SET finished_at = assigned_at WHERE task_id = :task AND organization_id = :organization",
        task=task,
        organization=site.organization,
    )
    assert site.ask(task_id=task).status_code == 400


@pytest.mark.parametrize("differing", [{"task_id": "1"}, {"task_id": None}, {"image": None}, {"task_id": True}])
def test_ill_typed_fields_are_a_bad_request(site: Site, differing: dict[str, object]) -> None:
    response = site.ask(**differing)
    assert response.status_code == 400
    assert response.json()["message"].keys() == differing.keys()


def test_users_get_no_container_token(services: Services, there: Arrangement, site: Site) -> None:
    user = there.caller(site.organization)
    assert user.post("/token/container", json={"task_id": site.task, "image": "registry/avg:1"}).status_code == 401


def test_without_a_token_it_is_unauthorized(services: Services, site: Site) -> None:
    body = {"task_id": site.task, "image": "registry/avg:1"}
    assert services.anyone.post("/token/container", json=body).status_code == 401


def test_a_container_cannot_refresh(services: Services, site: Site) -> None:
    token = site.ask().json()["container_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert services.anyone.post("/token/refresh", headers=headers).status_code == 422
