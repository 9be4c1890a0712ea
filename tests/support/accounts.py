"""Accounts of this machine for tests that are run by root."""

import os
import pwd
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager

from support.waiting import eventually


@contextmanager
def throw_away_account() -> Generator[pwd.struct_passwd | None]:
    """An ordinary account that is gone afterwards; None where we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        yield None
        return
    name = f"dqt{uuid.uuid4().hex[:8]}"
    _change("useradd", "--no-create-home", "--shell", "/bin/false", name)
    try:
        yield pwd.getpwnam(name)
    finally:
        _change("userdel", name)


def _change(*command: str) -> None:
    """Again while another test changes accounts, or a process of the account that was killed is not gone yet."""

    def is_done() -> bool:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        sys.stderr.write(answer.stderr)
        return answer.returncode == 0

    eventually(is_done)
