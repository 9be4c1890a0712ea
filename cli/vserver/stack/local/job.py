"""A one-off job beside a running stack, in the place of `migrate`."""

import contextlib
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import BinaryIO

from vserver.stack.driver import Progress
from vserver.stack.local.paths import Place
from vserver.stack.local.programs import Runtime, component_environment, without_new_privileges
from vserver.stack.plan import Component


@dataclass(frozen=True)
class Job:
    """`python -m module arguments` with the secrets and the environment of a component."""

    place: Place
    runtime: Runtime
    component: Component
    module: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """Never a secret among its words."""
        return [*without_new_privileges(), str(self.runtime.python), "-m", self.module, *self.arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment."""
        return component_environment(self.component, self.place, self.runtime) | {"DATAQUALITY_COMPONENT": "job"}

    def run(self, stdin: BinaryIO | None, on_line: Progress) -> int:
        """Its exit code. Each line of its standard error goes to `on_line`; its standard output is ours."""
        process = subprocess.Popen(  # noqa: S603
            self.command,
            cwd=self.place.run,
            env=self.environment,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        feeder = threading.Thread(target=_feed, args=(process, stdin), daemon=True)
        feeder.start()
        try:
            for line in process.stderr or ():
                on_line(line.decode(errors="replace").rstrip())
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise


def _feed(process: subprocess.Popen[bytes], stdin: BinaryIO | None) -> None:
    if stdin is None or process.stdin is None:
        return
    # The job may end without having read all of it, for example because it is not valid.
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        shutil.copyfileobj(stdin, pipe)
