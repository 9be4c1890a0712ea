"""A small node in plain Python, speaking only the public API: it waits for tasks and answers them from one CSV file.

A real node runs the algorithm's image in a container; this one knows a single algorithm and runs it itself.

    python examples/node.py --server http://127.0.0.1:5000 --key-file KEY --data examples/data/north.csv
"""

import argparse
import asyncio
import base64
import contextlib
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import federated_mean
import httpx
import socketio  # pyright: ignore[reportMissingTypeStubs]

NAMESPACE = "/tasks"


class Node:
    """Signs in with an API key, keeps a socket open, and works on what is addressed to it."""

    def __init__(self, server: str, api_path: str, api_key: str, data: Path) -> None:
        self._server = server
        self._api = f"{server}{api_path}"
        self._api_key = api_key
        self._data = data
        self._http = httpx.AsyncClient(timeout=30, trust_env=False)
        self._socket: Any = socketio.AsyncClient(reconnection=True, reconnection_delay_max=5)
        self._work: asyncio.Queue[int | None] = asyncio.Queue()
        self._tokens: dict[str, Any] = {}
        self._identity: dict[str, Any] = {}
        self._socket.on("connect", self._connected, namespace=NAMESPACE)
        self._socket.on("new_task", self._new_task, namespace=NAMESPACE)
        self._socket.on("expired_token", self._expired, namespace=NAMESPACE)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._sign_in()
        await self._connect()
        print(f"{self._identity['name']}: waiting for tasks", flush=True)
        try:
            while True:
                await self._answer_open_results(await self._work.get())
        finally:
            await self._socket.disconnect()
            await self._http.aclose()

    async def _sign_in(self) -> None:
        response = await self._http.post(f"{self._api}/token/node", json={"api_key": self._api_key})
        if response.status_code != 200:
            raise SystemExit(f"The server does not let this node in: {response.json()['msg']}")
        self._tokens = response.json()
        self._identity = (await self._http.get(self._server + self._tokens["node_url"], headers=self._headers())).json()

    async def _connect(self) -> None:
        await self._socket.connect(self._server, headers=self._headers(), namespaces=[NAMESPACE])

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens['access_token']}"}

    async def _connected(self) -> None:
        await self._work.put(None)

    async def _new_task(self, task_id: int) -> None:
        await self._work.put(task_id)

    async def _expired(self, *_: Any) -> None:
        # The server tells it in two shapes, for two generations of nodes: once is enough.
        if self._socket.connected:
            await self._socket.disconnect()
            await self._sign_in()
            await self._connect()

    async def _call(self, method: str, path: str, body: Any = None, query: Any = None) -> Any:
        response = await self._http.request(method, self._api + path, json=body, params=query, headers=self._headers())
        if response.status_code == 401:
            await self._sign_in()
            response = await self._http.request(
                method, self._api + path, json=body, params=query, headers=self._headers()
            )
        response.raise_for_status()
        return response.json()

    async def _answer_open_results(self, task_id: int | None) -> None:
        query = {"state": "open", "include": "task", "node_id": self._identity["id"]}
        if task_id is not None:
            query["task_id"] = task_id
        for result in await self._call("GET", "/result", query=query):
            if result["started_at"] is None:
                await self._answer(result)

    async def _answer(self, result: dict[str, Any]) -> None:
        path = f"/result/{result['id']}"
        await self._call("PATCH", path, {"started_at": _now(), "status": "active"})
        outcome = self._compute(result)
        await self._call("PATCH", path, {**outcome, "finished_at": _now()})
        print(f"{self._identity['name']}: task {result['task']['id']} {outcome['status']}", flush=True)

    def _compute(self, result: dict[str, Any]) -> dict[str, Any]:
        if result["task"]["image"] != federated_mean.IMAGE:
            return {"status": "not allowed", "log": "This node runs the federated mean only."}
        try:
            # The Python client says in front which format it wrote.
            content = base64.b64decode(result["input"]).removeprefix(b"json.")
            answer = federated_mean.run(self._data, json.loads(content))
        except (KeyError, ValueError, OSError) as error:
            return {"status": "crashed", "log": f"{type(error).__name__}: {error}"}
        encoded = base64.b64encode(json.dumps(answer).encode()).decode()
        return {"status": "completed", "result": encoded, "log": "one sum and one count left this node"}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="such as http://127.0.0.1:5000")
    parser.add_argument("--api-path", default="/api")
    parser.add_argument("--key-file", required=True, type=Path, help="a file that holds the node's API key")
    parser.add_argument("--data", required=True, type=Path, help="the CSV file that stays here")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    key = arguments.key_file.read_text(encoding="utf-8").strip()
    task = asyncio.ensure_future(Node(arguments.server, arguments.api_path, key, arguments.data).run())
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(_arguments())))
