"""What idle sockets of signed-in nodes cost: memory of the gateway and of dispatch.

    python bench/idle_sockets.py [SOCKETS]

Starts a server of its own under the local driver, opens 5,000 sockets unless told otherwise, holds them for a minute,
and prints the resident memory before and after.
"""

import asyncio
import sys
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.abuse.idle import idle_sockets, node_tokens, raise_open_files
from support.abuse.stack import AttackedStack, attacked_stack

_SECONDS = 60


def show(stack: AttackedStack, when: str) -> None:
    """Print what the two use at the moment."""
    pids = stack.pids()
    mib = {name: psutil.Process(pids[name]).memory_info().rss / 2**20 for name in ("gateway", "dispatch")}
    print(f"{when}: gateway {mib['gateway']:.0f} MiB, dispatch {mib['dispatch']:.0f} MiB", flush=True)


async def measure(stack: AttackedStack, number: int) -> None:
    tokens = await asyncio.to_thread(node_tokens, stack.address, number)
    await asyncio.to_thread(show, stack, "before")
    async with idle_sockets(stack.port, tokens, number) as idle:
        await asyncio.to_thread(show, stack, f"{idle.open} sockets")
        await asyncio.sleep(_SECONDS)
        await asyncio.to_thread(show, stack, f"{idle.open - idle.ended} after {_SECONDS} s")


if __name__ == "__main__":
    raise_open_files()
    with attacked_stack() as started:
        asyncio.run(measure(started, int((sys.argv[1:] or ["5000"])[0])))
