"""Free ports of this machine for the components."""

import json
import secrets
import socket
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import cast

from vserver.errors import CommandError
from vserver.stack.files import write_private
from vserver.stack.placement import STORES, Store

_LOWEST = 20_000
_BLOCK = 16


def keep_ports(file: Path, published: int) -> dict[Store, int]:
    """The port of each server of data on the loopback address: the one it had, unless that is taken by now.

    None of them is the `published` one, nor one that the system lends to connections: while a component is down, any
    connection could take that.
    """
    known = kept_ports(file)
    chosen: dict[Store, int] = {}
    with _Reserved(published) as reserved:
        for name in STORES:
            chosen[name] = reserved.port(known.get(name))
    if chosen != known:
        write_private(file, json.dumps(chosen))
    return chosen


def kept_ports(file: Path) -> dict[Store, int]:
    """The ports of the last start; empty before the first."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    known = cast(dict[str, object], read) if isinstance(read, dict) else {}
    return {name: port for name in STORES if isinstance(port := known.get(name), int)}


def _lent_by_the_system() -> range:
    """The ports that the system gives to connections that ask for none in particular."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return range(49_152, 65_536)
    return range(int(first), int(last) + 1)


class _Reserved:
    """Holds every port that it hands out until all are chosen, so that none is handed out twice."""

    def __init__(self, published: int) -> None:
        self._sockets: list[socket.socket] = []
        self._published = published
        self._lent = _lent_by_the_system()
        self._next = _some_place(self._lent)

    def __enter__(self) -> "_Reserved":
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._sockets:
            held.close()

    def port(self, wanted: int | None) -> int:
        if wanted and wanted != self._published and wanted not in self._lent and self._hold(wanted):
            return wanted
        for candidate in self._next:
            if candidate != self._published and (port := self._hold(candidate)):
                return port
        raise CommandError("This machine has no free port left on 127.0.0.1", "End programs that hold many ports.")

    def _hold(self, port: int) -> int | None:
        """The port that is held from now on (any for 0); None when somebody else has it."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sockets.append(held)
        try:
            held.bind(("127.0.0.1", port))
            held.listen()
        except OSError:
            return None
        return int(held.getsockname()[1])


def _some_place(lent: range) -> Iterator[int]:
    """Ports to try. Two instances that choose at once hardly ever meet: each takes the ports of one block.

    Where the system lends nearly all ports, what it lends is all there is.
    """
    own = [port for port in range(_LOWEST, 65_536) if port not in lent]
    first = secrets.randbelow(len(own) // _BLOCK) * _BLOCK if len(own) >= _BLOCK else 0
    return chain(own[first:], own[:first], repeat(0, _BLOCK))
