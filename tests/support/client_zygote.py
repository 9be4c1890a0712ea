"""Forks a process with a real client for each order, inside that client's own environment (Python 3.7 or later).

The modules to import beforehand are its arguments: importing them costs a hundred times what a fork does. No thread and
no connection is there before the fork, so that each order finds the client as freshly imported. An order comes on
standard input, a socket, as two file descriptors (the conversation, and the file for the client's own words) and is
answered with the id of the process. The last line of a conversation tells how its process ended. When the socket
closes, this process and all that it forked are killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

from client_process import converse, load

_TWO = struct.Struct("2i")
_ONE = struct.Struct("i")
_CHILD = {signal.SIGCHLD}
_conversations: dict[int, int] = {}
"""Of the processes that have not ended, by their ids."""


def main() -> None:
    for name in sys.argv[1:]:
        load(name)
    orders = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        conversation, words = _order(orders)
        # Whoever ends at once is known by then.
        signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD)
            _close(orders.detach(), *_conversations.values())
            return converse(conversation, words)
        _conversations[pid] = conversation
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD)
        os.close(words)
        orders.sendall(_ONE.pack(pid))


def _order(orders: socket.socket) -> tuple[int, int]:
    content, extra, _, _ = orders.recvmsg(1, socket.CMSG_SPACE(_TWO.size))
    if not content:
        os.killpg(0, signal.SIGKILL)
    [(_, _, descriptors)] = extra
    conversation, words = _TWO.unpack(descriptors)
    return conversation, words


def _reap(*_: Any) -> None:
    """Tell of each process that has ended: its status, or the signal that ended it as a negative number."""
    while _conversations:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        # Where nobody listens any more there is nobody to wait for.
        with socket.socket(fileno=_conversations.pop(pid)) as conversation, contextlib.suppress(OSError):
            conversation.send((json.dumps({"ended": code}) + "\n").encode(), socket.MSG_DONTWAIT)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    main()
