"""Accounts of this machine for tests that are run by root."""

import os
import pwd
import subprocess
import uuid
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def throw_away_account() -> Generator[pwd.struct_passwd | None]:
    """An ordinary account that is gone afterwards; None where we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        yield None
        return
    name = f"dqt{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/false", name], check=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)
