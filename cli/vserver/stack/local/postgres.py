"""The embedded Postgres: made once, from the wheel's programs, and open to nobody but the stack."""

import os
import shutil
import subprocess
from pathlib import Path

from vserver.errors import CommandError
from vserver.stack import processes
from vserver.stack.local.paths import Place
from vserver.stack.local.programs import Runtime, environment
from vserver.stack.plan import Postgres
from vserver.stack.secrets import SINGLE_USER


def make_database(place: Place, runtime: Runtime, postgres: Postgres, password_file: Path) -> bool:
    """Make the database unless there is one; whether it was made now. A crash in between leaves nothing half-made."""
    if (place.postgres / "PG_VERSION").exists():
        _forget_dead_postmaster(place.postgres)
        return False
    for left in place.data.glob("postgres.new-*"):
        shutil.rmtree(left)
    aside = place.data / f"postgres.new-{os.getpid()}"
    programs = runtime.newest_postgres()
    _run(
        [
            str(programs / "initdb"),
            *("-D", str(aside), "-U", postgres.user, f"--pwfile={password_file}", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"),
        ],
        place,
        runtime,
    )
    # A server of its own for one statement: no port, no socket, nobody else.
    statement = f'CREATE DATABASE "{postgres.database}"\n'
    _run([str(programs / "postgres"), "--single", "-D", str(aside), "postgres"], place, runtime, statement)
    aside.replace(place.postgres)
    return True


def run_statements(place: Place, runtime: Runtime, postgres: Postgres, statements: str) -> None:
    """Run statements, one a line, on a database that does not run, with its owner's rights and without a password."""
    _forget_dead_postmaster(place.postgres)
    program = runtime.postgres_for(place.postgres) / "postgres"
    arguments = [str(program), *SINGLE_USER, "-D", str(place.postgres), postgres.database]
    done = subprocess.run(  # noqa: S603
        arguments, input=statements, capture_output=True, text=True, cwd=place.run, env=environment(place, runtime)
    )
    wrong = [line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
    if done.returncode != 0 or wrong:
        raise CommandError(f"The database in {place.postgres} could not be changed: {' '.join(wrong)}")


def _run(arguments: list[str], place: Place, runtime: Runtime, text: str = "") -> None:
    done = subprocess.run(  # noqa: S603
        arguments,
        input=text,
        capture_output=True,
        text=True,
        cwd=place.run,
        env=environment(place, runtime),
        check=False,
    )
    if done.returncode != 0 or "ERROR" in done.stderr:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise CommandError(
            f"The database in {place.postgres} could not be made: {said}",
            f"See that {place.data} has room and try again.",
        )


def _forget_dead_postmaster(data: Path) -> None:
    """After a crash of the machine the number in postmaster.pid may be another program's by now.

    Called while no process of this instance runs: Postgres itself must not be lied to about a living one.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    if not processes.is_postgres(pid):
        file.unlink(missing_ok=True)
