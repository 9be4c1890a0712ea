"""Running a job on an instance's database, for the commands that need one."""

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from vserver.commands import options
from vserver.commands.output import Output
from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment
    from vserver.stack.driver import Driver

_PROGRESS = re.compile(r"(?P<kind>.+) (?P<done>[0-9]+)/(?P<total>[0-9]+)")
_SECONDS = 2.0
_MIGRATION_WANTED = "dataquality.jobs.migrate"


def driver_for_job(output: Output, instance: "Instance", environment: "Environment", asked: str | None) -> "Driver":
    """The driver that has the instance's database, which runs or can be started for a job."""
    from vserver.stack.choose import choose_driver, last_driver

    if last_driver(instance) is None:
        hint = f"Start it first: `{options.again('start', instance)}`."
        raise CommandError(f"{instance.id} was never started, so it has no database yet", hint)
    driver = choose_driver(instance, environment, asked)
    state = driver.status().state
    if state == "orphaned":
        hint = f"Start it first, which puts that right: `{options.again('start', instance)}`."
        raise CommandError(f"{instance.id} runs without its keeper", hint)
    if state == "stopped":
        output.note(f"{instance.id} is stopped: its database is started for this, and stopped again")
    return driver


class Ears:
    """Hears what a job says: shows progress, and keeps the rest. `is_quiet` picks lines that are told at the end."""

    def __init__(self, output: Output, is_quiet: Callable[[str], bool] = lambda _: False) -> None:
        self.said: list[str] = []
        self._output = output
        self._is_quiet = is_quiet
        self._line_is_open = False
        self._shown_at = 0.0

    def __call__(self, line: str) -> None:
        """One line of the job's."""
        progress = _PROGRESS.fullmatch(line)
        if progress:
            self._show(line, progress["done"] == progress["total"])
            return
        self.said.append(line)
        if not self._is_quiet(line):
            self._end_line()
            self._output.step(line)

    def _show(self, line: str, is_last: bool) -> None:
        """At a terminal one line that is written over; elsewhere a line now and then, and the last of each kind."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[2K{self._output.seconds:5.1f} s  {line}" + ("\n" if is_last else ""))
            sys.stderr.flush()
            self._line_is_open = not is_last
        elif is_last or time.monotonic() - self._shown_at >= _SECONDS:
            self._shown_at = time.monotonic()
            self._output.step(line)

    def _end_line(self) -> None:
        if self._line_is_open:
            self._line_is_open = False
            sys.stderr.write("\n")


def run_job(
    driver: "Driver", module: str, arguments: Sequence[str], stdin: BinaryIO | None, ears: Ears
) -> tuple[int, bytes]:
    """The job's exit code and all that it wrote to its standard output."""
    with captured_output() as captured:
        code = driver.run_job(driver.plan(), module, arguments, stdin, ears)
    return code, b"".join(captured)


def failure(code: int, what: str, said: Sequence[str], instance: "Instance") -> CommandError:
    """Why a job failed: its last words."""
    reason = said[-1] if said else f"the job ended with {code}"
    hint = None
    if _MIGRATION_WANTED in reason:
        hint = f"Start it once, which brings the database to this version: `{options.again('start', instance)}`."
    return CommandError(f"{what}: {reason}", hint, ExitCode.USAGE if code == ExitCode.USAGE else ExitCode.FAILED)


@contextmanager
def captured_output() -> Generator[list[bytes]]:
    """What jobs write to our standard output, which they inherit: filled in when the block ends."""
    captured: list[bytes] = []
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile("w+b") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield captured
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            captured.append(file.read())
