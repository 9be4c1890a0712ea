"""Organizations that work together, with their nodes and people: made through the API, new for each test."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from support.services import Api, Services, unique

PASSWORD = "Abc-12345"
IMAGE = "registry.example/average:1"


@dataclass
class Site:
    """An organization with its node in the collaboration."""

    services: Services
    organization: dict[str, Any]
    node: dict[str, Any]

    @property
    def id(self) -> int:
        """The organization's id."""
        return self.organization["id"]

    @cached_property
    def api(self) -> Api:
        """The node, signed in."""
        return self.services.login_node(self.node["api_key"])

    def open_results(self, **query: Any) -> list[dict[str, Any]]:
        """What the node finds to do, as nodes ask."""
        response = self.api.get("/result", params={"state": "open", "node_id": self.node["id"], **query})
        assert response.status_code == 200, response.text
        return response.json()

    def container(self, task: dict[str, Any]) -> Api:
        """An algorithm container of the task on this node."""
        token = self.api.made("/token/container", {"task_id": task["id"], "image": task["image"]})
        return Api(self.services.addresses, token["container_token"])


@dataclass
class World:
    """A collaboration of some sites; a researcher of the first site's organization."""

    services: Services
    root: Api
    collaboration: dict[str, Any]
    sites: list[Site]

    @property
    def id(self) -> int:
        """The collaboration's id."""
        return self.collaboration["id"]

    @cached_property
    def researcher(self) -> Api:
        """A researcher of the first site, signed in."""
        return self.user("Researcher", self.sites[0].id)

    def user(self, role: str, organization_id: int) -> Api:
        """A new user with this built-in role, signed in."""
        [found] = [one for one in self.root.get("/role").json() if one["name"] == role]
        name = unique("user")
        body = {"username": name, "firstname": "A", "lastname": "B", "password": PASSWORD}
        body |= {"email": f"{name}@example.org", "organization_id": organization_id, "roles": [found["id"]]}
        self.root.made("/user", body)
        return self.services.login(name, PASSWORD)

    def question(self, *sites: Site, **changes: Any) -> dict[str, Any]:
        """The body of a task for these sites, or for all."""
        asked = [{"id": site.id, "input": f"input of {site.id}"} for site in sites or self.sites]
        body = {"name": unique("task"), "description": "how many?", "image": IMAGE, "database": "default"}
        return body | {"collaboration_id": self.id, "organizations": asked} | changes

    def ask(self, *sites: Site, **changes: Any) -> dict[str, Any]:
        """A new task for these sites, or for all."""
        return self.researcher.made("/task", self.question(*sites, **changes))


def new_site(services: Services, root: Api, collaboration_id: int, organization: dict[str, Any]) -> Site:
    """A node for the organization in the collaboration."""
    body = {"collaboration_id": collaboration_id, "organization_id": organization["id"]}
    return Site(services, organization, root.made("/node", body))


def new_world(services: Services, sites: int = 2, **collaboration: Any) -> World:
    """A collaboration with that many organizations, each with a node."""
    root = services.root
    organizations = [root.made("/organization", {"name": unique("org")}) for _ in range(sites)]
    body = {"name": unique("col"), "organization_ids": [one["id"] for one in organizations], **collaboration}
    made = root.made("/collaboration", body)
    return World(services, root, made, [new_site(services, root, made["id"], one) for one in organizations])
