"""Whether the published port can be had, and who holds it."""

import errno
import socket

from vserver.errors import CommandError, ExitCode
from vserver.stack import processes
from vserver.stack.plan import Published

_FIRST_FREE = 1024
_OTHER = "Choose another port with `-p` or the configuration's key `port`"


class PortTakenError(CommandError):
    """Somebody else listens at the address."""

    def __init__(self, published: Published, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.published = published

    def __reduce__(self) -> tuple[type["PortTakenError"], tuple[Published, str, str | None]]:
        return type(self), (self.published, self.message, self.hint)


def check_free(published: Published) -> None:
    """Raise `CommandError` where the gateway could not listen at the address: says why, and what to do."""
    try:
        try_listening(published)
    except OSError as error:
        raise _refused(published, error) from None


def try_listening(published: Published) -> None:
    """Listen at the address for a moment, as the gateway will. Raises OSError where that is refused."""
    family = socket.AF_INET6 if ":" in published.ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((published.ip, published.port))
        trial.listen()


def taken(published: Published) -> PortTakenError:
    """The error that says who holds the port, as far as we may see that, and what to do."""
    who = processes.holder(published.port)
    held = f"held by {who}" if who else "in use by another program"
    remedy = "`vserver stop` that instance" if who and who.instance else "End that program"
    return PortTakenError(published, f"Port {published.port} is {held}", f"{remedy}, or c{_OTHER[1:]}.")


def _refused(published: Published, error: OSError) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        return taken(published)
    if error.errno in {errno.EACCES, errno.EPERM} and published.port < _FIRST_FREE:
        return CommandError(
            f"Port {published.port} is below {_FIRST_FREE}, and the account that the server runs as has no right to it",
            f"{_OTHER}, or allow it: `sysctl net.ipv4.ip_unprivileged_port_start={published.port}`.",
            ExitCode.UNREACHABLE,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return CommandError(
            f"This machine has no address {published.ip}",
            "Give one that it has with `--ip` or the key `ip`; 0.0.0.0 stands for all of them.",
            ExitCode.USAGE,
        )
    message = f"The server cannot listen on {published.ip} port {published.port}: {error.strerror}"
    return CommandError(message, f"{_OTHER}.")
