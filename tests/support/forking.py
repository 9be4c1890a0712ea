"""Processes of their own that begin with what one process has imported for all: code runs in a fork of it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Each order is a line; the fork leaves through the interpreter's usual end, and its exit code is the answer.
_SERVE = """
import json, os, sys, time
for line in sys.stdin:
    code, environment, errors = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
exec(code, {"__name__": "__main__"})
"""


class Forking:
    """Runs code in one fork after the other of a process that has run `imports`."""

    def __init__(self, imports: str) -> None:
        command = [sys.executable, "-c", imports + _SERVE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, code: str, environment: Mapping[str, str], errors: Path) -> int:
        """The exit code; what it says on standard error is in the file `errors`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([code, dict(environment), str(errors)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)
