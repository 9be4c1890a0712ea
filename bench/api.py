"""What calls of the API cost, each group against a named baseline of the same run.

    make bench

Prints a table and writes bench/results/api.json. Ratios are what counts: machines differ and are noisy.
"""

import json
import sys
import tempfile
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from measure import Case, Timing, compare

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.databases import PostgresServer, SqliteFiles  # noqa: E402
from support.services import ROOT, Services, running_services, service_of  # noqa: E402
from support.valkey import ValkeyServer  # noqa: E402

GROUPS = "sign-in", "reading", "lists"


def main() -> None:
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory(prefix="dataquality-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        valkey = ValkeyServer(make(folder / "valkey"))
        postgres = PostgresServer(make(folder / "postgres"))
        try:
            sqlite = SqliteFiles(make(folder / "sqlite"))
            for number, (kind, server) in enumerate((("sqlite", sqlite), ("postgres", postgres)), start=1):
                with (
                    server.migrated_database() as url,
                    running_services(make(folder / kind), url, valkey.database(number)) as services,
                ):
                    results[kind] = measure(services)
                    show(kind, results[kind])
        finally:
            postgres.stop()
            valkey.stop()
    target = make(HERE / "results") / "api.json"
    target.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nAs JSON: {target}")


def make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def measure(services: Services) -> dict[str, list[dict[str, Any]]]:
    """All groups on one running set of services."""
    world = prepare(services)
    with httpx.Client(timeout=30, trust_env=False) as http:
        groups = (sign_in(services, http, world), reading(services, http, world), lists(services, http, world))
    return {name: [asdict(timing) for timing in timings] for name, timings in zip(GROUPS, groups, strict=True)}


def prepare(services: Services) -> dict[str, Any]:
    """Two organizations, one collaboration with nodes, a researcher, a hundred tasks."""
    root = services.login(*ROOT)
    organizations = [root.made("/organization", {"name": f"Hospital {number}"})["id"] for number in range(2)]
    collaboration = root.made("/collaboration", {"name": "study", "organization_ids": organizations})["id"]
    nodes = [
        root.made("/node", {"collaboration_id": collaboration, "organization_id": organization})
        for organization in organizations
    ]
    roles = [role["id"] for role in root.get("/role").json() if role["name"] in ("Root", "Researcher")]
    user = {
        "username": "bench",
        "password": f"{uuid.uuid4()}aA1!",
        "firstname": "B",
        "lastname": "B",
        "email": "b@b.nl",
    }
    root.made("/user", {**user, "organization_id": organizations[0], "roles": roles})
    researcher = services.login(user["username"], user["password"])
    body = {"name": "t", "image": "i", "collaboration_id": collaboration, "database": "default", "description": ""}
    body["organizations"] = [{"id": organization, "input": "e30="} for organization in organizations]
    tasks = [researcher.made("/task", body)["id"] for _ in range(100)]
    return {"user": user, "node": nodes[0], "researcher": researcher, "task": tasks[0]}


def sign_in(services: Services, http: httpx.Client, world: dict[str, Any]) -> list[Timing]:
    """A node's keyed look-up against a user's password hash."""
    url = f"{services.addresses['auth']}/api/token"
    user = {"username": world["user"]["username"], "password": world["user"]["password"]}
    node = {"api_key": world["node"]["api_key"]}
    return compare(
        Case("user signs in (argon2id)", lambda: ok(http.post(f"{url}/user", json=user))),
        Case("node signs in (keyed hash)", lambda: ok(http.post(f"{url}/node", json=node))),
    )


def reading(services: Services, http: httpx.Client, world: dict[str, Any]) -> list[Timing]:
    """What a researcher's client polls, against a route that needs neither caller nor database."""
    get = getter(services, http, world)
    return compare(
        Case("GET version (no caller, no database)", get("/version")),
        Case("GET task/{id}", get(f"/task/{world['task']}")),
        Case("GET organization/{id}", get("/organization/1")),
    )


def lists(services: Services, http: httpx.Client, world: dict[str, Any]) -> list[Timing]:
    """Twenty rows of a list against one row."""
    get = getter(services, http, world)
    return compare(
        Case("GET task/{id}", get(f"/task/{world['task']}")),
        Case("GET task, a page of 20", get("/task?page=1&per_page=20")),
        Case("GET result, a page of 20", get("/result?page=1&per_page=20")),
    )


def getter(services: Services, http: httpx.Client, world: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {world['researcher'].token}"}

    def get(path: str) -> Any:
        url = f"{services.addresses[service_of(path)]}/api{path}"
        return lambda: ok(http.get(url, headers=headers))

    return get


def ok(response: httpx.Response) -> None:
    if response.status_code != 200:
        raise SystemExit(f"{response.request.url} answered {response.status_code}: {response.text}")


def show(kind: str, groups: dict[str, list[dict[str, Any]]]) -> None:
    print(f"\n{kind}")
    for group, timings in groups.items():
        print(f"  {group} (ratio to: {timings[0]['name']})")
        for timing in timings:
            print(f"    {timing['ratio']:8.2f}  {timing['seconds'] * 1000:8.2f} ms  {timing['name']}")


if __name__ == "__main__":
    main()
