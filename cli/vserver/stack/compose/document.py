"""Plan in, compose document out. Pure: reads and writes nothing, and holds no secret.

Who may read what: our containers run as the account that owns the instance's folders; Postgres and Redis as their
image's user, the gateway as a plain user of its own. Each finds its secrets, and no others, in a volume of its own,
which the one-shot `secrets` fills before anything else starts.

Who reaches whom: the databases share the network `back` with our components, the gateway shares `api` with the
services and `front` with the machine. Both of the former have no way out. Only the worker, which sends mail, has one
(`outside`), and all of ours where the database is outside.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, cast

from vserver.stack.compose import bridge, checks
from vserver.stack.plan import (
    Component,
    Gateway,
    HealthCheck,
    HttpCheck,
    NativeCheck,
    Plan,
    Postgres,
    PythonModule,
    Redis,
)
from vserver.stack.secrets import Owned, Reader, specification

Service = dict[str, Any]
Document = dict[str, Any]
Restart = Literal["unless-stopped", "on-failure"]

SECRETS = "secrets"
"""The service that lays the secrets out; no component of the plan."""

POSTGRES_IMAGE = "postgres:17"
REDIS_IMAGE = "redis:8"
_OPEN_FILES = 16_384
"""Of each container: the gateway needs two for each socket of a node, dispatch one. Engines have their own limit, which
no container can raise."""
GATEWAY_IMAGE = "caddy:2"
_LOG_LIMITS = {"max-size": "50m", "max-file": "6"}
"""As much as the log file itself: a day of a busy server, see docs/operations.md."""
PARTS_IMAGES = (POSTGRES_IMAGE, REDIS_IMAGE, GATEWAY_IMAGE)

OWN_ACCOUNT = (10001, 10001)
"""Whom our containers run as when the instance's folders belong to root."""

# The accounts of the images above, under which alone these two start without any capability.
_POSTGRES_ACCOUNT = (999, 999)
_REDIS_ACCOUNT = (999, 1000)
_GATEWAY_ACCOUNT = (10002, 10002)
"""No account of its image, and none that owns a file of the instance."""

_SQLITE = "sqlite:"
_SECRETS_FOLDER = PurePosixPath("/secrets")
_DATA = "/data"
_LOGS = "/logs"
_KEPT = "/kept"
POSTGRES_DATA = "/var/lib/postgresql/data"
"""Where Postgres' image has its volume."""
_DATABASE = "/database"
"""Where the secrets job sees Postgres' volume, to know whether the instance is a new one."""

HIDDEN = ("secrets", "run", "compose")
"""Folders of the data folder that a component must neither read nor write, though a SQLite file lies beside them."""

_POSTGRES_SETTINGS = {
    "shared_buffers": "256MB",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60s",
    # Without the values of a row that was refused, among which are the hashes of passwords.
    "log_error_verbosity": "terse",
}
"""A client that vanished gives its locks and its connection back within a minute or two."""


@dataclass(frozen=True)
class Image:
    """The image of our own components. `from_registry`: may be pulled where it is missing."""

    name: str
    from_registry: bool = False
    build: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Paths:
    """Where the instance's things lie on the host."""

    data: str
    log: str
    kept: str
    caddyfile: str


@dataclass(frozen=True)
class Setting:
    """What a document needs to know beyond the plan."""

    project: str
    image: Image
    paths: Paths
    account: tuple[int, int] = OWN_ACCOUNT
    """uid and gid of our containers."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    restart: Restart = "unless-stopped"


def compose_document(plan: Plan, setting: Setting) -> Document:
    """The whole document. The same plan and setting always give the same document, in the same order."""
    maker = _Maker(plan, setting)
    document: Document = {
        "name": setting.project,
        "services": {SECRETS: maker.secrets()} | {part.name: maker.service(part) for part in plan.components},
        "networks": maker.networks(),
        "volumes": dict.fromkeys(maker.volumes(), None),
    }
    return _escaped(document)


def fingerprint(text: str) -> str:
    """Changes with the text; a label with it makes compose replace the container whose file changed."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def address(component: Component, api_path: str = "") -> str | None:
    """Where a published component answers, as seen from this machine."""
    if component.published is None:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(component.published.ip, component.published.ip)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{component.published.port}{api_path}"


@dataclass(frozen=True)
class _Maker:
    """Makes the parts of one document."""

    plan: Plan
    setting: Setting

    def service(self, component: Component) -> Service:
        """One component as a service."""
        match component.program:
            case PythonModule():
                special = self._module(component, component.program)
            case Postgres():
                special = self._postgres(component.program)
            case Redis():
                special = self._redis()
            case Gateway():
                special = self._gateway(component, component.program)
        labels = {**self.setting.labels, "dataquality.component": component.name, **special.pop("labels", {})}
        service = _hardened() | special | self._running(component)
        return service | {"volumes": self._secret_mount(component) + special.get("volumes", []), "labels": labels}

    def secrets(self) -> Service:
        """The one-shot that makes missing secrets and lays each out for its one reader. The only one with rights."""
        return {
            **self._own_image(),
            **_hardened(),
            "user": "0:0",
            "cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
            "command": ["python", "-m", "dataquality.jobs.secrets", "--kept", _KEPT, "--spec", self._specification()],
            **self._way_to_database(),
            "volumes": [
                _bind(self.setting.paths.kept, _KEPT),
                *([_volume("postgres", _DATABASE, read_only=True)] if self._on_own_postgres() else []),
                *(_bind(source, target) for source, target in self._own_folders()),
                *(_volume(_secrets_volume(part), str(_SECRETS_FOLDER / part.name)) for part in self._readers()),
            ],
            **_limits(memory_mib=128, pids=32, cpus=1),
            "restart": "no",
            "labels": {**self.setting.labels, "dataquality.component": SECRETS},
        }

    def _way_to_database(self) -> Service:
        """Only a database of others must be asked whether it is new: the stack's own are seen as files."""
        return self._way_out(["outside"]) if self._outside_database() else {"network_mode": "none"}

    def _way_out(self, networks: list[str]) -> Service:
        hosts = {"extra_hosts": ["host.docker.internal:host-gateway"]} if self._outside_database() else {}
        return {**hosts, "networks": networks}

    def networks(self) -> dict[str, Any]:
        """A published port, and what calls the outside, need a network with a way out."""
        return {"back": {"internal": True}, "api": {"internal": True}, "front": {}, "outside": {}}

    def volumes(self) -> list[str]:
        """What the engine keeps; all but the secrets' copies must survive."""
        named = [part.name for part in self.plan.components if isinstance(part.program, Postgres | Redis)]
        return named + [_secrets_volume(part) for part in self._readers()]

    def _module(self, component: Component, program: PythonModule) -> Service:
        uid, gid = self.setting.account
        return {
            **self._own_image(),
            "user": f"{uid}:{gid}",
            "command": ["python", "-m", program.module, *program.arguments],
            "environment": dict(component.environment),
            "volumes": [_bind(source, target) for source, target in self._own_folders()],
            "tmpfs": [_tmp("128m"), *self._mask()],
            **self._way_out(self._networks(component)),
        }

    def _postgres(self, program: Postgres) -> Service:
        wanted = {"max_connections": str(program.connections)} | _POSTGRES_SETTINGS
        settings = [word for name, value in wanted.items() for word in ("-c", f"{name}={value}")]
        return {
            "image": POSTGRES_IMAGE,
            "user": "postgres",
            "command": ["postgres", *settings],
            "environment": {
                "POSTGRES_USER": program.user,
                "POSTGRES_DB": program.database,
                "POSTGRES_PASSWORD_FILE": str(_SECRETS_FOLDER / "postgres_password"),
                "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --data-checksums",
            },
            "volumes": [_volume("postgres", POSTGRES_DATA)],
            "tmpfs": [_tmp("64m"), "/var/run/postgresql:mode=1777,size=1m"],
            "shm_size": "256m",
            "networks": ["back"],
        }

    def _redis(self) -> Service:
        return {
            "image": REDIS_IMAGE,
            "user": "redis",
            "command": ["redis-server", str(_SECRETS_FOLDER / "redis.conf")],
            "volumes": [_volume("redis", "/data")],
            "tmpfs": [_tmp("16m")],
            "networks": ["back"],
        }

    def _gateway(self, component: Component, program: Gateway) -> Service:
        uid, gid = _GATEWAY_ACCOUNT
        return {
            "image": GATEWAY_IMAGE,
            "user": f"{uid}:{gid}",
            "command": bridge.COMMAND,
            # Its binary carries this as a file capability and does not start where no process could have it. It does
            # not get it: `init` starts without any, and under no-new-privileges a file then adds none.
            "cap_add": ["NET_BIND_SERVICE"],
            "volumes": [_bind(self.setting.paths.caddyfile, "/etc/caddy/Caddyfile", read_only=True, must_exist=True)],
            # It keeps nothing: no certificates, and its configuration is the file above.
            "tmpfs": [_tmp("64m"), *(f"{folder}:mode=1777,size=1m" for folder in ("/data", "/config"))],
            "ports": _ports(component),
            "networks": ["api", "front"],
            "labels": {
                "dataquality.caddyfile": fingerprint(program.caddyfile),
                "dataquality.address": address(component, self._api_path()) or "",
            },
        }

    def _running(self, component: Component) -> Service:
        """How it is started, watched and stopped."""
        needs = {name: _condition(self.plan.component(name)) for name in component.needs}
        check = _healthcheck(component)
        return {
            "depends_on": self._after_secrets(component) | needs,
            **({"healthcheck": check} if check else {}),
            "restart": "no" if component.once else self.setting.restart,
            "stop_grace_period": f"{component.stop_seconds}s",
            **_limits(component.memory_mib, 512, component.cpus),
            "ulimits": {"nofile": {"soft": _OPEN_FILES, "hard": _OPEN_FILES}},
        }

    def _after_secrets(self, component: Component) -> Service:
        # The gateway reads none; but it needs the services, and those need the secrets.
        return {SECRETS: {"condition": "service_completed_successfully"}} if component.secrets else {}

    def _own_image(self) -> Service:
        image = self.setting.image
        build = {"build": dict(image.build)} if image.build else {}
        return {"image": image.name, **build, "pull_policy": "missing" if image.from_registry else "never"}

    def _secret_mount(self, component: Component) -> list[Service]:
        return [_volume(_secrets_volume(component), str(_SECRETS_FOLDER), read_only=True)] if component.secrets else []

    def _specification(self) -> str:
        accounts = {"postgres": _POSTGRES_ACCOUNT, "redis": _REDIS_ACCOUNT}
        readers = {
            part.name: Reader(_SECRETS_FOLDER / part.name, *accounts.get(part.name, self.setting.account))
            for part in self._readers()
        }
        folders = [Owned(PurePosixPath(target), *self.setting.account) for _, target in self._own_folders()]
        return specification(self.plan, readers, folders)

    def _readers(self) -> list[Component]:
        return [part for part in self.plan.components if part.secrets]

    def _own_folders(self) -> list[tuple[str, str]]:
        """The instance's folders that our containers see, and where."""
        paths = self.setting.paths
        data = [(paths.data, _DATA)] if self._on_sqlite() else []
        return [*data, (paths.log, _LOGS)]

    def _mask(self) -> list[str]:
        return [f"{_DATA}/{name}:mode=0,size=4k" for name in HIDDEN] if self._on_sqlite() else []

    def _networks(self, component: Component) -> list[str]:
        """Mail is sent by `worker`; a database of others may be anywhere."""
        behind_gateway = component.name in self.plan.component("gateway").needs
        calls_out = component.name == "worker" or self._outside_database()
        return ["back", *(["api"] if behind_gateway else []), *(["outside"] if calls_out else [])]

    def _on_sqlite(self) -> bool:
        return self.plan.secrets.given.get("database_url", "").startswith(_SQLITE)

    def _on_own_postgres(self) -> bool:
        return any(part.name == "postgres" for part in self.plan.components)

    def _outside_database(self) -> bool:
        return "database_url" in self.plan.secrets.given and not self._on_sqlite()

    def _api_path(self) -> str:
        return self.plan.component("migrate").environment.get("DATAQUALITY_API_PATH", "")


def _hardened() -> Service:
    """No capability, nothing writable but what is said, no way to new rights, and an end to its logs."""
    return {
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": dict(_LOG_LIMITS)},
    }


_CPU_PERIOD = 100_000
"""Microseconds: the kernel's default."""


def _limits(memory_mib: int, pids: int, cpus: float) -> Service:
    """As a quota, for `cpus` above what a machine has is refused by its engine."""
    quota = {"cpu_period": _CPU_PERIOD, "cpu_quota": round(cpus * _CPU_PERIOD)}
    return {"mem_limit": f"{memory_mib}m", "pids_limit": pids, **quota}


def _tmp(size: str) -> str:
    return f"/tmp:mode=1777,size={size}"  # noqa: S108 - inside a container of its own


def _condition(needed: Component) -> dict[str, str]:
    if needed.once:
        return {"condition": "service_completed_successfully"}
    return {"condition": "service_healthy" if needed.health else "service_started"}


# What a check costs decides how often it is made: a Python process or a small tool.
_SECONDS: dict[type[HealthCheck], int] = {HttpCheck: 5, NativeCheck: 3}


def _healthcheck(component: Component) -> Service | None:
    """`start_interval` would be faster at start, but needs engine 25; these work from 20.10 on."""
    if component.health is None:
        return None
    seconds = _SECONDS[type(component.health)]
    return {
        "test": _test(component, component.health),
        "interval": f"{seconds}s",
        "timeout": "10s",
        "retries": 3,
        "start_period": "60s",
    }


def _test(component: Component, check: HealthCheck) -> list[str]:
    match check:
        case HttpCheck():
            return ["CMD", "python", "-m", "dataquality.core.probe"]
        case _:
            return checks.native(component)


def _ports(component: Component) -> list[Service]:
    published = component.published
    if published is None:
        return []
    return [{"target": component.port, "host_ip": published.ip, "published": str(published.port), "protocol": "tcp"}]


def _secrets_volume(component: Component) -> str:
    return f"secrets-{component.name}"


def _volume(name: str, target: str, *, read_only: bool = False) -> Service:
    return {"type": "volume", "source": name, "target": target, **({"read_only": True} if read_only else {})}


def _bind(source: str, target: str, *, read_only: bool = False, must_exist: bool = False) -> Service:
    return {
        "type": "bind",
        "source": source,
        "target": target,
        **({"read_only": True} if read_only else {}),
        "bind": {"create_host_path": not must_exist},
    }


def _escaped(value: Any) -> Any:
    """Compose replaces `$NAME` in every string; what we write means itself."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_escaped(item) for item in cast(list[Any], value)]
    return value


def compose_document_text(document: Document, header: str) -> str:
    """The document as YAML, with a comment on top. The same document always gives the same text."""
    import yaml

    comment = "".join(f"# {line}\n" for line in header.splitlines())
    return comment + yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True)
