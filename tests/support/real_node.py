"""The script of a real node of either generation, its Docker parts replaced; it runs in the node's own environment.

Start-up, encryption, socket, task queue, proxy and the sending of results are the node's own. In place of a container
runs a thread with a small algorithm, which talks to the node's proxy with the real client for algorithms. It tells:
`{"ready": name}` once the node is up, `{"event": name, "arguments": [..]}` for each event of the server, and
`{"ran": input}` for each algorithm that began.

Variables of the script: api_key, data_folder, proxy_port, private_key (a path, or null where nothing is encrypted),
stale_token (an access token for the first connection, or null), policies.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import queue
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

given: dict[str, Any] = globals()["given"]
tell = given["tell"]
node_module: Any = given["import_node"]("vantage6.node")
IS_NEWER = not hasattr(node_module, "server_io")


class Algorithm(threading.Thread):
    """What stands for a container: counts, asks others to count and adds up, gathers what is large, crashes, or waits
    (to be killed; with a port open, if it serves)."""

    def __init__(self, done: Any, about: dict[str, Any], content: bytes, token: str) -> None:
        super().__init__(daemon=True)
        self.about = about
        self.killed = threading.Event()
        self._done = done
        self._input = _loaded(content)
        self.method = self._input["method"]
        self._token = token

    def run(self) -> None:
        tell({"ran": self._input})
        try:
            data, log, code = pickle.dumps(self._compute()), "it went well", 0
        except Exception as error:
            data, log, code = b"", f"{type(error).__name__}: {error}", 1
        if not self.killed.is_set():
            self._done.put(_result(self.about, data, log, code))

    def _compute(self) -> Any:
        method, rest = self._input["method"], self._input.get("rest")
        if method == "count":
            return {"count": rest}
        if method == "sum":
            return {"sum": sum(part["count"] for part in self._ask(rest, 5))}
        if method == "gather":
            return {"characters": sum(len(part["count"]) for part in self._ask(rest, 800_000 * "x"))}
        if method in ("wait", "serve"):
            self.killed.wait()
        raise ValueError(f"the algorithm knows no {method}")

    def _ask(self, organizations: list[int], rest: Any) -> list[Any]:
        """Ask the organizations to count, through the proxy; their answers."""
        client, asked = self._client(), {"method": "count", "rest": rest}
        task = client.task.create(asked, organizations) if IS_NEWER else client.create_new_task(asked, organizations)
        see = client.task.get if IS_NEWER else client.get_task
        while not see(task["id"])["complete"]:
            time.sleep(0.2)
        return client.result.get(task["id"]) if IS_NEWER else client.get_results(task["id"])

    def _client(self) -> Any:
        name = "vantage6.client.algorithm_client" if IS_NEWER else "vantage6.client"
        module = importlib.import_module(name)
        make = module.AlgorithmClient if IS_NEWER else module.ContainerClient
        return make(self._token, "http://127.0.0.1", given["proxy_port"], "")


class Docker:
    """In place of the node's DockerManager."""

    def __init__(self, client: Any = None, **_parts: Any) -> None:
        self._client = client
        self._done: Any = queue.Queue()
        self._running: dict[int, Algorithm] = {}

    def create_volume(self, _name: str) -> None:
        pass

    def is_running(self, result_id: int) -> bool:
        return result_id in self._running and self._running[result_id].is_alive()

    def run(self, result_id: int, image: str, docker_input: bytes, token: str, task_info: Any = None, **_: Any) -> Any:
        task: dict[str, Any] = task_info or {"id": None, "parent": None}
        if image.startswith("forbidden"):
            return "not allowed", None
        parent: Any = task["parent"] and task["parent"]["id"]
        about = {"result_id": result_id, "task_id": task["id"], "parent_id": parent}
        started = self._running[result_id] = Algorithm(self._done, about, docker_input, token)
        started.start()
        ports = [{"port": 8888, "label": "api"}] if started.method == "serve" else None
        return ("active", ports) if IS_NEWER else ports

    def get_result(self) -> Any:
        result = self._done.get()
        if IS_NEWER:
            self._client.request("port", params={"result_id": result.result_id}, method="DELETE")
            tell({"ports removed": [one for one in given["sent"] if one[:2] == ["DELETE", "/api/port"]]})
        return result

    def kill_tasks(self, org_id: int, kill_list: Any = None) -> list[Any]:
        chosen = None if not kill_list else {one["result_id"] for one in kill_list if one["organization_id"] == org_id}
        ended = [one for key, one in self._running.items() if (chosen is None or key in chosen) and one.is_alive()]
        for one in ended:
            one.killed.set()
        tell({"killed": [one.about["result_id"] for one in ended]})
        return [SimpleNamespace(**one.about) for one in ended]

    def cleanup(self) -> None:
        pass


class Nothing:
    """In place of what is not needed, such as networks."""

    def __init__(self, *_arguments: Any, **_more: Any) -> None:
        pass

    def __getattr__(self, _name: str) -> Any:
        return Nothing

    def __bool__(self) -> bool:
        return False


class Vpn(Nothing):
    """In place of the node's VPNManager."""

    def get_vpn_ip(self) -> str:
        return "10.76.0.3"


class Namespace(node_module.NodeTaskNamespace):
    """Tells the test what the node hears, and leaves the rest to the node."""

    def trigger_event(self, event: str, *arguments: Any) -> Any:
        tell({"event": event, "arguments": arguments})
        parent: Any = super()
        return parent.trigger_event(event, *arguments)


def _loaded(content: bytes) -> Any:
    return json.loads(content[5:].decode()) if content.startswith(b"json.") else pickle.loads(content)


def _result(about: dict[str, Any], data: bytes, log: str, code: int) -> Any:
    """As the node of this generation expects it of its Docker parts."""
    status = {"status": "crashed" if code else "completed"} if IS_NEWER else {"status_code": code}
    return SimpleNamespace(data=data, logs=log, **about, **status)


def _context() -> Any:
    config = {
        "server_url": given["host"],
        "port": given["port"],
        "api_path": "/api",
        "api_key": given["api_key"],
        "encryption": {"enabled": given["private_key"] is not None, "private_key": given["private_key"]},
        "logging": {"level": "INFO"},
        "databases": {},
        "policies": given["policies"],
    }
    data = Path(given["data_folder"])
    return SimpleNamespace(
        config=config,
        name="node",
        databases={},
        data_dir=data,
        running_in_docker=False,
        proxy_log_file=data / "proxy.log",
        get_data_file=str,
        docker_network_name="none",
        docker_temporary_volume_name=str,
    )


def _connect_first_with(token: str) -> None:
    """The node opens its first socket with this token, as one does that has been up for long."""
    connect = node_module.Node.connect_to_socket

    def connect_with_it(node: Any) -> None:
        node_module.Node.connect_to_socket = connect
        (node.client if IS_NEWER else node.server_io)._access_token = token
        connect(node)

    node_module.Node.connect_to_socket = connect_with_it


os.environ["PROXY_SERVER_PORT"] = str(given["proxy_port"])
for name, replacement in {
    "check_docker_running": lambda: None,
    "DockerManager": Docker,
    "NetworkManager": Nothing,
    "VPNManager": Vpn,
    "NodeTaskNamespace": Namespace,
}.items():
    setattr(node_module, name, replacement)
if given["stale_token"]:
    _connect_first_with(given["stale_token"])
node = node_module.Node(_context())
tell({"ready": (node.client if IS_NEWER else node.server_io).whoami.name})
try:
    node.run_forever()
except SystemExit:
    # The newer node's pings go on for ever in a thread that would keep the process.
    os._exit(0)
