"""Makes the account that a stack started by root runs as, and does work with its rights."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Literal, TypeVar, cast

from vserver.account import HOME, VARIABLE, Account, account_name, find_account, is_root
from vserver.errors import CommandError

T = TypeVar("T")
Say = Callable[[str], None]
_Message = tuple[Literal["said", "answered", "raised"], object]

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def service_account(say: Say) -> Account | None:
    """The account to run as; made when it is missing and said in one line. None where we are not root."""
    if not is_root():
        return None
    name = account_name()
    return find_account(name) or _make(name, say)


def _make(name: str, say: Say) -> Account:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise CommandError(
            f"There is no account `{name}` for the server to run as, and no `useradd` to make one",
            f"Make it by hand, or name another account in {VARIABLE}.",
        )
    shell = shutil.which("nologin", path="/usr/sbin:/sbin:/usr/bin:/bin") or "/bin/false"
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", str(HOME)]
    done = subprocess.run([*command, "--shell", shell, name], capture_output=True, text=True, check=False)  # noqa: S603
    account = find_account(name)
    if account is None:
        raise CommandError(
            f"The account `{name}` for the server to run as could not be made: {done.stderr.strip()}",
            f"Make it by hand, or name another account in {VARIABLE}.",
        )
    say(f"made the system account `{name}`: the server does not run as root")
    return account


def acting_as(account: Account | None, work: Callable[[Say], T], say: Say) -> T:
    """What `work` answers or raises, done with the rights of the account alone (None: with ours).

    Root's own hands must not touch what an unprivileged account can rearrange, so the work is done in a child process
    that has given up all other rights. Its answer must be picklable. What it says on the way is said here.
    """
    if account is None:
        return work(say)
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    # An interrupt that comes before both know what to do with it waits until they do.
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _in_child(account, work, write_end)
    os.close(write_end)
    with _interrupts_go_to(child), os.fdopen(read_end, "rb") as pipe:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
        kind, value = _listen(pipe, say)
        os.waitpid(child, 0)
    if kind == "raised":
        raise cast(BaseException, value)
    return cast(T, value)


def _in_child(account: Account, work: Callable[[Say], object], write_end: int) -> None:
    """Never returns."""
    try:
        # A group of its own: Ctrl-C reaches it through its parent alone, and so only once.
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, _interrupt)
        os.setgroups([account.gid])
        os.setgid(account.gid)
        os.setuid(account.uid)
        os.chdir("/")
        os.environ.update(HOME=str(HOME), USER=account.name, LOGNAME=account.name)
        with os.fdopen(write_end, "wb") as pipe:
            pickle.dump(_done(work, pipe), pipe)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _interrupt(*_: object) -> None:
    """TERM and not INT, which is ignored in a child of a shell's background job."""
    raise KeyboardInterrupt


def _done(work: Callable[[Say], object], pipe: BinaryIO) -> _Message:
    def say(text: str) -> None:
        pickle.dump(("said", text), pipe)
        pipe.flush()

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
        return "answered", work(say)
    except BaseException as error:  # handed over the process boundary, raised on the other side
        return "raised", error


def _listen(pipe: BinaryIO, say: Say) -> _Message:
    """The child's last message; what it says before is said here."""
    while True:
        try:
            kind, value = cast(_Message, pickle.load(pipe))  # noqa: S301 - from our own child
        except EOFError:
            raise RuntimeError("the part of this command without root's rights ended without an answer") from None
        if kind != "said":
            return kind, value
        say(str(value))


@contextmanager
def _interrupts_go_to(child: int) -> Generator[None]:
    """While the child works, it is the one to be told to stop: it tidies up, and its answer ends our waiting."""

    def pass_on(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
