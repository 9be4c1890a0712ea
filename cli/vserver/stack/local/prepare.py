"""What lies ready before a stack is started: folders, secrets, scripts, the database, supervisor's configuration."""

import subprocess
import threading
import time

from vserver.errors import CommandError
from vserver.stack.driver import Progress
from vserver.stack.files import open_private, write_private
from vserver.stack.local import programs, supervisor
from vserver.stack.local.paths import Place
from vserver.stack.local.postgres import make_database
from vserver.stack.local.programs import Runtime
from vserver.stack.plan import Component, Gateway, Plan, Postgres
from vserver.stack.processes import MARK
from vserver.stack.secrets import REFUSED, SECRETS_MODULE, Reader, keep_given, refusal, refuse_weak, specification

_PAUSE = 0.05
_RUN_FILES = ("supervisor.sock", "supervisord.pid", "supervisord.conf")


def lay_out(plan: Plan, place: Place, runtime: Runtime, progress: Progress) -> None:
    """Write all that the plan's components need to run, and make the database where the stack has its own."""
    # First the damage: a secret that was cut looks weak too, and is to be put back rather than renewed.
    lay_secrets(plan, place, runtime)
    refuse_weak(place.kept_secrets, plan, progress)
    for component in plan.components:
        match component.program:
            case Postgres() as postgres:
                if make_database(place, runtime, postgres, place.secrets / component.name / "postgres_password"):
                    progress("made the database")
            case Gateway(caddyfile):
                write_private(place.run / programs.CADDYFILE, caddyfile)
            case _:
                pass
        _write_scripts(component, place, runtime)
    write_private(place.configuration, plan.configuration)
    logs = {component.name: place.log_of(component.name) for component in plan.components}
    kept_running = [component for component in plan.components if not component.once]
    write_private(place.run / "supervisord.conf", supervisor.configuration(kept_running, place.socket, logs))


def lay_secrets(plan: Plan, place: Place, runtime: Runtime) -> None:
    """Give each component its secrets. Raises `CommandError` where some are damaged."""
    keep_given(place.kept_secrets, plan.secrets)
    readers = {component.name: Reader(place.secrets / component.name) for component in plan.components}
    done = subprocess.run(  # noqa: S603
        [
            *(str(runtime.python), "-m", SECRETS_MODULE),
            *("--kept", str(place.kept_secrets), "--spec", specification(plan, readers)),
        ],
        env=programs.environment(place, runtime),
        cwd=place.run,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == REFUSED and (refused := refusal(done.stderr.splitlines())):
        raise refused
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("error: ")
        raise CommandError(f"The secrets could not be laid out: {said}", f"See that {place.data} can be written to.")


def _write_scripts(component: Component, place: Place, runtime: Runtime) -> None:
    variables = programs.component_environment(component, place, runtime)
    folder = programs.folder(component, place)
    arguments = programs.command(component, place, runtime)
    write_private(
        place.script(component.name),
        programs.script(arguments, variables, folder, f"Runs {component.name}.", component.memory_mib),
    )
    check = programs.check_command(component, place, runtime)
    if check is not None:
        # A check is no part of the instance: without the mark nobody takes it for a process that was left.
        unmarked = {name: value for name, value in variables.items() if name != MARK}
        text = programs.script(check, unmarked, folder, f"Says whether {component.name} is healthy.")
        write_private(place.script(f"{component.name}-health"), text)


def run_once(component: Component, place: Place, stop: threading.Event) -> int | None:
    """Run a one-shot component to its end, into its log; its exit code, or None when it was stopped."""
    with open_private(place.log_of(component.name)) as log:
        process = subprocess.Popen(  # noqa: S603
            ["/bin/sh", str(place.script(component.name))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while process.poll() is None:
            if stop.is_set():
                process.terminate()
                process.wait()
                return None
            time.sleep(_PAUSE)
    return process.returncode


def tidy(place: Place) -> None:
    """Remove what only a running stack needs, and what one left that ended with the machine."""
    for name in _RUN_FILES:
        (place.run / name).unlink(missing_ok=True)
    place.remove_sockets()
