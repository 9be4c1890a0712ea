"""`make demo`: an instance named `demo`, three organizations with a node each, and a federated mean over their data.

Harmless to run again: what is there is used. The instance is left running.
"""

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any, NoReturn

import federated_mean
import httpx
import yaml

from vserver.config.folders import standard_folders

HERE = Path(__file__).resolve().parent
NAME = "demo"
ORGANIZATIONS = {"North Hospital": "north", "South Registry": "south", "West Clinic": "west"}
COLLABORATIONS = {
    "Blood pressure": list(ORGANIZATIONS),
    "Quality of care": ["North Hospital", "South Registry"],
    "Rare diseases": ["South Registry", "West Clinic"],
}
STUDY = "Blood pressure"
RESEARCHER = "researcher@north.example"
WAIT_SECONDS = 120


def main() -> None:
    configuration = write_configuration()
    print(f"Starting the instance '{NAME}' ({configuration})", flush=True)
    vserver("start", "--driver", os.environ.get("VSERVER_DRIVER", "local"))
    folder = Path(vserver_json("files")["data"]["data"]) / "demo"
    imported = write_import(folder)
    print("\nImporting three organizations and three collaborations", flush=True)
    vserver("import", str(imported))
    server = address(configuration)
    with running_nodes(server, folder):
        compute(server, folder)
    print_next_steps(server, configuration, imported)


def write_configuration() -> Path:
    """The instance's configuration; one that is there is left as it is."""
    folder = standard_folders("user").configuration
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{NAME}.yaml"
    if not file.exists():
        environment = {
            "description": "A demonstration on this machine",
            "type": "test",
            "ip": "127.0.0.1",
            "port": free_port(),
            "api_path": "/api",
            "allow_drop_all": True,
        }
        file.write_text(yaml.safe_dump({"environments": {"test": environment}}, sort_keys=False), encoding="utf-8")
    return file


def free_port() -> int:
    """The first port from 5000 that nobody holds."""
    for port in range(5000, 5100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    return fail("All ports from 5000 to 5099 are taken on this machine. End one of their programs and try again.")


def write_import(folder: Path) -> Path:
    """The batch import file, with keys and passwords of its own; readable by you alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / "import.yaml"
    if not file.exists():
        write_private(file, yaml.safe_dump(import_document(), sort_keys=False))
    return file


def import_document() -> dict[str, Any]:
    """Organizations, their users, and collaborations with a node's API key per participant."""
    return {
        "organizations": [
            {
                "name": name,
                "domain": f"{short}.example",
                "address1": "Harbour Street 1",
                "address2": "",
                "zipcode": "1000",
                "country": "Nowhereland",
                "public_key": "",
                "users": [
                    {
                        "username": f"researcher@{short}.example",
                        "firstname": "Robin",
                        "lastname": short.title(),
                        "password": secrets.token_urlsafe(12) + "aA1!",
                    }
                ],
            }
            for name, short in ORGANIZATIONS.items()
        ],
        "collaborations": [
            {
                "name": name,
                "encrypted": False,
                "participants": [{"name": member, "api_key": str(uuid.uuid4())} for member in members],
                "tasks": [],
            }
            for name, members in COLLABORATIONS.items()
        ],
    }


@contextlib.contextmanager
def running_nodes(server: str, folder: Path) -> Generator[None]:
    """One example node per organization of the study, until the block ends."""
    document = yaml.safe_load((folder / "import.yaml").read_text(encoding="utf-8"))
    [study] = [entry for entry in document["collaborations"] if entry["name"] == STUDY]
    print("\nStarting a node per organization; each reads a file of its own", flush=True)
    nodes = [
        start_node(server, folder, ORGANIZATIONS[participant["name"]], participant["api_key"])
        for participant in study["participants"]
    ]
    try:
        yield
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait(60)


def start_node(server: str, folder: Path, short: str, api_key: str) -> "subprocess.Popen[bytes]":
    """Start one node on its CSV file."""
    key_file = folder / f"{short}.key"
    write_private(key_file, api_key)
    command = [sys.executable, str(HERE / "node.py"), "--server", server, "--key-file", str(key_file)]
    return subprocess.Popen([*command, "--data", str(HERE / "data" / f"{short}.csv")])


def compute(server: str, folder: Path) -> None:
    """Post one task as a researcher, wait for the nodes, and print the mean."""
    with httpx.Client(base_url=f"{server}/api", timeout=30, trust_env=False) as http:
        sign_in(http, folder)
        task = post_task(http)
        print(f"\nTask {task['id']} asks each node for the mean of `systolic`", flush=True)
        wait_for(http, task["id"])
        show(call(http, "GET", f"/task/{task['id']}/result"))


def sign_in(http: httpx.Client, folder: Path) -> None:
    """Sign the researcher in."""
    document = yaml.safe_load((folder / "import.yaml").read_text(encoding="utf-8"))
    users = [user for organization in document["organizations"] for user in organization["users"]]
    [researcher] = [user for user in users if user["username"] == RESEARCHER]
    body = {"username": RESEARCHER, "password": researcher["password"]}
    http.headers["Authorization"] = f"Bearer {call(http, 'POST', '/token/user', body)['access_token']}"


def post_task(http: httpx.Client) -> dict[str, Any]:
    """One task for all organizations of the study; its input is JSON in base64, as in any unencrypted collaboration."""
    [study] = call(http, "GET", f"/collaboration?name={STUDY}")
    task_input = base64.b64encode(json.dumps({"column": "systolic"}).encode()).decode()
    return call(
        http,
        "POST",
        "/task",
        {
            "name": "federated mean",
            "description": "Mean systolic blood pressure over all participants",
            "image": federated_mean.IMAGE,
            "collaboration_id": study["id"],
            "database": "default",
            "organizations": [{"id": link["id"], "input": task_input} for link in study["organizations"]],
        },
    )


def wait_for(http: httpx.Client, task_id: int) -> None:
    """Wait until all nodes have answered."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not call(http, "GET", f"/task/{task_id}")["complete"]:
        if time.monotonic() > deadline:
            fail(f"Task {task_id} was not answered in {WAIT_SECONDS} s. See the logs: vserver files -n {NAME} --user")
        time.sleep(0.3)


def show(results: list[dict[str, Any]]) -> None:
    """Print each node's part and the mean."""
    partials: list[federated_mean.Partial] = []
    for result in sorted(results, key=lambda entry: entry["organization"]):
        if result["result"] is None:
            fail(f"A node did not answer: {result['status']} ({result['log']})")
        partials.append(federated_mean.Partial(**json.loads(base64.b64decode(result["result"]))))
        print(f"  organization {result['organization']}: sum {partials[-1].sum:g} over {partials[-1].count} patients")
    print(f"  federated mean: {federated_mean.combine(partials):.3f} mmHg", flush=True)


def print_next_steps(server: str, configuration: Path, imported: Path) -> None:
    """Where all is, and what to try next."""
    command = f"{Path(sys.executable).parent / 'vserver'}"
    print(
        f"""
The server is running.
  API            {server}/api
  configuration  {configuration}
  users, keys    {imported}

Try next
  {command} status -n {NAME} --user     how each part is
  {command} files -n {NAME} --user      what lies where
  make demo                        one more task
  {command} stop -n {NAME} --user       stop it; nothing is lost"""
    )


def call(http: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    """One call of the API; ends the demonstration when it is refused."""
    response = http.request(method, path, json=body)
    if response.status_code > 210:
        fail(f"{method} {path} answered {response.status_code}: {response.json()['msg']}")
    return response.json()


def address(configuration: Path) -> str:
    """Where the instance answers."""
    environment = yaml.safe_load(configuration.read_text(encoding="utf-8"))["environments"]["test"]
    return f"http://127.0.0.1:{environment['port']}"


def vserver(command: str, *arguments: str) -> None:
    """Run the operator's command, showing what it says."""
    ran = subprocess.run([*vserver_command(command), *arguments], check=False)
    if ran.returncode != 0:
        sys.exit(ran.returncode)


def vserver_json(command: str) -> Any:
    """Run the operator's command for its data."""
    ran = subprocess.run([*vserver_command(command), "--json"], check=False, stdout=subprocess.PIPE)
    if ran.returncode != 0:
        sys.exit(ran.returncode)
    return json.loads(ran.stdout)


def vserver_command(command: str) -> list[str]:
    return [sys.executable, "-m", "vserver", command, "--name", NAME, "--environment", "test", "--user"]


def write_private(file: Path, text: str) -> None:
    """Write a file that only you can read."""
    with open(file, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
        target.write(text)


def fail(message: str) -> NoReturn:
    sys.exit(f"demo: {message}")


if __name__ == "__main__":
    main()
