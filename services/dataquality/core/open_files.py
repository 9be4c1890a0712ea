"""How many files a process may have open; each socket is one."""

import contextlib
import resource


def raise_open_files() -> None:
    """Raise the soft limit of this process to the hard one: 1024, where most systems begin, are few for sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems call the hard limit infinite, and take no such number.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
