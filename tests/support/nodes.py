"""Starting the real nodes of either generation."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.clients import Party, started_client
from support.collaborations import Site
from support.gateway import Server
from support.processes import free_port
from support.waiting import eventually

_SCRIPT = Path(__file__).with_name("real_node.py")


@contextmanager
def running_node(
    version: str,
    site: Site,
    server: Server,
    folder: Path,
    *,
    private_key: Path | None = None,
    stale_token: str | None = None,
    policies: dict[str, Any] | None = None,
) -> Generator[Party]:
    """The site's node, up and connected, until the block ends. What it tells stands in `real_node.py`."""
    place = folder / f"node-{site.node['id']}"
    with started_client(
        version,
        _SCRIPT.read_text(),
        server=server,
        folder=place,
        api_key=site.node["api_key"],
        private_key=private_key and str(private_key),
        stale_token=stale_token,
        policies=policies or {},
        data_folder=str(place),
        proxy_port=free_port(),
    ) as node:
        node.tells(lambda told: "ready" in told)
        node.tells(heard("connect"))
        # It hears that it is connected before it is in its rooms; what is said there meanwhile, it never hears.
        eventually(lambda: server.services.root.get(f"/node/{site.node['id']}").json()["status"] == "online")
        yield node


def heard(event: str, *arguments: Any) -> Callable[[Any], bool]:
    """A condition for `Party.tells`: the node heard this event (with these arguments, if any are given)."""

    def fits(told: Any) -> bool:
        return told.get("event") == event and arguments in ((), tuple(told["arguments"]))

    return fits
