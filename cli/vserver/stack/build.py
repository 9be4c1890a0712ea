"""The plan builder: an instance, its environment and a site in, a plan out. Pure: no input, no output."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from vserver.config.database import SQLITE
from vserver.config.names import JSON_LINES
from vserver.stack.gateway import GatewayLog, Listening, caddyfile
from vserver.stack.placement import Site
from vserver.stack.plan import (
    Component,
    ComponentName,
    Gateway,
    HttpCheck,
    Kind,
    NativeCheck,
    Plan,
    Postgres,
    Published,
    PythonModule,
    Redis,
    SecretGuard,
    SecretPlan,
    TcpEndpoint,
    UnixEndpoint,
    instances_of,
)
from vserver.stack.secret_table import NEW_ONE, OWN_PASSWORD
from vserver.stack.secrets import guard_for_migration

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment
    from vserver.config.sections import Logging

_READS: dict[Kind, tuple[str, ...]] = {
    "postgres": ("postgres_password",),
    "redis": ("redis.conf",),
    "migrate": ("database_url", "redis_url"),
    "auth": ("database_url", "redis_url", "jwt_secret_key", "service_key", "api_key_pepper", "reset_key"),
    "entity": ("database_url", "redis_url", "jwt_secret_key", "service_key", "api_key_pepper"),
    "dispatch": ("database_url", "redis_url", "jwt_secret_key", "service_key"),
    "worker": ("database_url", "redis_url", "service_key"),
    "beat": ("database_url", "redis_url"),
}
"""Each component reads what it needs and no more. `migrate` holds all that was made against their fingerprints."""

_REDIS_CONF = """\
bind {bind}
port {port}
requirepass {{redis_password}}
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""
# Nothing may be evicted: jobs and subscriptions live there.

_COPIES = 11
"""How often what a large body holds is in memory at the worst moment: twice for others that arrive, and nine times for
one that is received, parsed, on its way to and from the database, rendered (measured: 8.2)."""

_GATEWAY_MIB = 1024
"""5,000 idle sockets of nodes need 571 (`bench/idle_sockets.py`)."""

_OWNER_URL = "owner_database_url"
"""The address of the stack's own Postgres for the migration; all others have `database_url`."""

_POOL = 20
"""Connections to the database that one service may hold (`dataquality.core.database`)."""

_Service = Literal["auth", "entity", "dispatch"]
_Background = Literal["worker", "beat"]


@dataclass(frozen=True)
class Overrides:
    """What the options of `start` say in place of the configuration."""

    port: int | None = None
    ip: str | None = None
    image: str | None = None
    can_renew: bool = True
    """Whether `vserver secret renew` reaches the instance."""


def build_plan(
    instance: "Instance", environment: "Environment", site: Site, overrides: Overrides | None = None
) -> Plan:
    """The plan of an instance. Raises `CommandError` where its configuration cannot run at this site."""
    said = overrides or Overrides()
    published = Published(said.ip or environment.ip, said.port or environment.port)
    renew = f"vserver secret renew {{names}} {instance.options}" if said.can_renew else ""
    secrets = _secrets(environment, site, str(instance.secrets_folder), renew)
    return Plan(
        instance=instance.id,
        components=_Components(instance, environment, site, published, secrets).all(),
        secrets=secrets,
        image=said.image or environment.server_image,
        configuration=str(instance.configuration),
        data_folder=str(instance.data_folder),
        log_folder=str(instance.log_folder),
    )


@dataclass(frozen=True)
class _Components:
    """The components of one plan; holds what all of them are made from."""

    instance: "Instance"
    environment: "Environment"
    site: Site
    published: Published
    secrets: SecretPlan

    def all(self) -> tuple[Component, ...]:
        """In the order in which they start."""
        own_postgres = (self._postgres(),) if self.environment.uri is None else ()
        return (*own_postgres, self._redis(), self._migrate(), *self._running(), self._gateway())

    def _running(self) -> tuple[Component, ...]:
        return (
            self._service("auth"),
            self._service("entity"),
            *(self._service("dispatch", name, memory_mib=self._dispatch_mib()) for name in self._dispatches()),
            self._background("worker", memory_mib=1024, stop_seconds=60),
            self._background("beat", memory_mib=256, stop_seconds=20),
        )

    def _dispatches(self) -> tuple[ComponentName, ...]:
        return instances_of("dispatch", self.environment.dispatch_instances)

    def _dispatch_mib(self) -> int:
        return 512 + _COPIES * self.environment.max_body_mib

    def _postgres(self) -> Component:
        wanted = 100 + _POOL * self.environment.dispatch_instances + 2 * self.environment.workers
        return Component(
            name="postgres",
            program=Postgres(connections=max(Postgres.connections, wanted)),
            secrets=_READS["postgres"],
            health=NativeCheck(),
            port=self.site.store("postgres").port,
            memory_mib=2048,
            cpus=4,
            stop_seconds=60,
        )

    def _redis(self) -> Component:
        return Component(
            name="redis",
            program=Redis(),
            secrets=_READS["redis"],
            health=NativeCheck(),
            port=self.site.store("redis").port,
            memory_mib=1024,
        )

    def _migrate(self) -> Component:
        needs: tuple[ComponentName, ...] = ("postgres", "redis") if self.environment.uri is None else ("redis",)
        return Component(
            name="migrate",
            program=PythonModule("dataquality.jobs.migrate"),
            environment=self._environment("migrate") | {"DATAQUALITY_SECRETS_GUARD": guard_for_migration(self.secrets)},
            secrets=(*_READS["migrate"], *self._of_owner(), *self.secrets.generated),
            needs=needs,
            once=True,
        )

    def _of_owner(self) -> tuple[str, ...]:
        return (_OWNER_URL,) if _OWNER_URL in self.secrets.derived else ()

    def _service(self, kind: _Service, name: ComponentName = "", *, memory_mib: int = 512) -> Component:
        name = name or kind
        return Component(
            name=name,
            program=PythonModule(f"dataquality.{kind}"),
            environment=self._environment(name) | dict(self.site.listening(name)),
            secrets=_READS[kind],
            needs=("redis", "migrate"),
            health=HttpCheck(),
            port=self._port(name),
            socket=self._socket(name),
            memory_mib=memory_mib,
            stop_seconds=30,
        )

    def _background(self, name: _Background, *, memory_mib: int, stop_seconds: int) -> Component:
        return Component(
            name=name,
            program=PythonModule(f"dataquality.dispatch.{name}"),
            environment=self._environment(name) | dict(self.site.listening(name)),
            secrets=(*_READS[name], *(_given_for_mail(self.environment) if name == "worker" else ())),
            needs=("redis", "migrate"),
            health=HttpCheck(),
            port=self._port(name),
            socket=self._socket(name),
            memory_mib=memory_mib,
            cpus=max(Component.cpus, self.environment.workers if name == "worker" else 0),
            stop_seconds=stop_seconds,
        )

    def _gateway(self) -> Component:
        listens = self.site.gateway(self.published)
        text = caddyfile(
            Listening(listens.port, listens.ip or None),
            self.environment.api_path,
            {
                "auth": [self._address("auth")],
                "entity": [self._address("entity")],
                "dispatch": [self._address(name) for name in self._dispatches()],
            },
            self.environment.trusted_proxies,
            GatewayLog(self.environment.logging.level, self.environment.logging.format == JSON_LINES),
            self.site.bridge(self.published, self.environment.trusted_proxies),
        )
        return Component(
            name="gateway",
            program=Gateway(text),
            needs=("auth", "entity", *self._dispatches()),
            health=NativeCheck(),
            port=listens.port,
            published=self.published,
            memory_mib=_GATEWAY_MIB,
        )

    def _port(self, name: ComponentName) -> int | None:
        endpoint = self.site.endpoint(name)
        return endpoint.port if isinstance(endpoint, TcpEndpoint) else None

    def _socket(self, name: ComponentName) -> PurePosixPath | None:
        endpoint = self.site.endpoint(name)
        return endpoint.path if isinstance(endpoint, UnixEndpoint) else None

    def _environment(self, name: ComponentName) -> dict[str, str]:
        settings, site = self.environment, self.site
        policy = settings.password_policy
        return {
            "DATAQUALITY_COMPONENT": name,
            "DATAQUALITY_INSTANCE": self.instance.id,
            "DATAQUALITY_ENVIRONMENT": settings.type,
            "DATAQUALITY_SECRETS": str(site.folders(name).secrets),
            "DATAQUALITY_API_PATH": settings.api_path,
            "DATAQUALITY_AUTH_URL": self._url("auth"),
            "DATAQUALITY_ENTITY_URL": self._url("entity"),
            **self._dispatch_urls(),
            "DATAQUALITY_WORKERS": str(settings.workers),
            "DATAQUALITY_ACCESS_TOKEN_HOURS": str(settings.token_expires_hours),
            "DATAQUALITY_REFRESH_TOKEN_HOURS": str(settings.refresh_token_expires_hours),
            "DATAQUALITY_EMAIL_TOKEN_MINUTES": str(settings.email_token_validity_minutes),
            "DATAQUALITY_MAX_FAILED_ATTEMPTS": str(policy.max_failed_attempts),
            "DATAQUALITY_INACTIVATION_MINUTES": str(policy.inactivation_minutes),
            "DATAQUALITY_TWO_FACTOR_AUTH": _flag(settings.two_factor_auth),
            "DATAQUALITY_MAX_BODY_MIB": str(settings.max_body_mib),
            "DATAQUALITY_REDELIVERY_MINUTES": str(settings.redelivery_minutes),
            "DATAQUALITY_ENCRYPTION_SHAPE_CHECK": settings.encryption_shape_check,
            "DATAQUALITY_LOST_RUNS__AFTER_MINUTES": str(settings.lost_runs.after_minutes),
            "DATAQUALITY_LOST_RUNS__THEN": settings.lost_runs.then,
            "DATAQUALITY_LOST_RUNS__OFFERS": str(settings.lost_runs.offers),
            "DATAQUALITY_ALLOW_DROP_ALL": _flag(settings.allow_drop_all),
            "DATAQUALITY_TRUSTED_PROXIES": json.dumps(list(settings.trusted_proxies)),
            **_support_email(settings),
            **_smtp(settings, site),
            **self._logging(name),
        }

    def _logging(self, name: ComponentName) -> dict[str, str]:
        logging = self.environment.logging
        loggers = [{"name": logger.name, "level": logger.level} for logger in logging.loggers]
        return {
            "DATAQUALITY_LOGGING__LEVEL": logging.level,
            "DATAQUALITY_LOGGING__FILE": str(self.site.folders(name).log / self.instance.log_file.name),
            "DATAQUALITY_LOGGING__USE_CONSOLE": _flag(logging.use_console),
            "DATAQUALITY_LOGGING__BACKUP_COUNT": str(logging.backup_count),
            "DATAQUALITY_LOGGING__MAX_SIZE": str(logging.max_size),
            "DATAQUALITY_LOGGING__FORMAT": logging.format,
            "DATAQUALITY_LOGGING__DATEFMT": _date_format(logging),
            "DATAQUALITY_LOGGING__LOGGERS": json.dumps(loggers),
        }

    def _dispatch_urls(self) -> dict[str, str]:
        first, *more = [self._url(name) for name in self._dispatches()]
        others = {"DATAQUALITY_DISPATCH_MORE_URLS": json.dumps(more)} if more else {}
        return {"DATAQUALITY_DISPATCH_URL": first} | others

    def _address(self, name: ComponentName) -> str:
        """As the gateway's configuration names it."""
        match self.site.endpoint(name):
            case TcpEndpoint(host, port):
                return f"{host}:{port}"
            case UnixEndpoint(path):
                return f"unix/{path}"

    def _url(self, name: ComponentName) -> str:
        """As the other services name it; the host of a Unix socket is its component."""
        match self.site.endpoint(name):
            case TcpEndpoint(host, port):
                return f"http://{host}:{port}"
            case UnixEndpoint():
                return f"http://{name}"


def _date_format(logging: "Logging") -> str:
    """Empty: ISO 8601, which a JSON line has unless another form was asked for."""
    return "" if logging.format == JSON_LINES and "datefmt" not in logging.model_fields_set else logging.datefmt


def _support_email(settings: "Environment") -> dict[str, str]:
    address = settings.support_email or (settings.smtp and settings.smtp.username) or ""
    return {"DATAQUALITY_SUPPORT_EMAIL": address} if "@" in address else {}


def _smtp(settings: "Environment", site: Site) -> dict[str, str]:
    smtp = settings.smtp
    if smtp is None:
        return {}
    username = {"DATAQUALITY_SMTP__USERNAME": smtp.username} if smtp.username else {}
    return username | {
        "DATAQUALITY_SMTP__SERVER": site.external_host("smtp.server", smtp.server),
        "DATAQUALITY_SMTP__PORT": str(smtp.port),
        "DATAQUALITY_SMTP__USE_TLS": _flag(smtp.mail_use_tls),
        "DATAQUALITY_SMTP__USE_SSL": _flag(smtp.mail_use_ssl),
    }


def _given_for_mail(settings: "Environment") -> dict[str, str]:
    """The secrets of the mail server that the configuration holds, for the worker."""
    smtp = settings.smtp
    if smtp is None:
        return {}
    held = {"smtp_password": smtp.password, "smtp_ca": smtp.ca_certificates}
    return {name: value.get_secret_value() for name, value in held.items() if value and value.get_secret_value()}


def _flag(value: bool) -> str:
    return "true" if value else "false"


def kept_secrets(instance: "Instance", environment: "Environment", database: str | None) -> SecretPlan:
    """The secrets that are made for an instance, and how damage to them is noticed; without those of others."""
    generated = tuple(name for name in NEW_ONE if name != OWN_PASSWORD or environment.uri is None)
    chosen = environment.jwt_secret_key
    given = {"jwt_secret_key": chosen.get_secret_value()} if chosen is not None else {}
    renew = f"vserver secret renew {{names}} {instance.options}"
    return SecretPlan(generated, given, {}, SecretGuard(database, str(instance.secrets_folder), renew))


def _secrets(environment: "Environment", site: Site, where: str, renew: str) -> SecretPlan:
    redis = site.store("redis")
    given: dict[str, str] = {}
    generated = [name for name in NEW_ONE if name != OWN_PASSWORD or environment.uri is None]
    derived = {
        "redis_url": f"redis://:{{redis_password}}@{redis.host}:{redis.port}/0",
        "redis.conf": _REDIS_CONF.format(bind=site.redis_bind, port=redis.port),
    }
    given |= _given_for_mail(environment)
    if environment.jwt_secret_key is not None:
        given["jwt_secret_key"] = environment.jwt_secret_key.get_secret_value()
    if environment.uri is not None:
        given["database_url"] = _database_url(environment.uri.get_secret_value(), site)
    else:
        derived |= _own_database_urls(Postgres(), site)
    guard = SecretGuard(_database_file(environment, site), where, renew)
    return SecretPlan(tuple(generated), given, derived, guard)


def _database_file(environment: "Environment", site: Site) -> str | None:
    """A file that shows that the database exists; None where only the database itself can say."""
    if environment.uri is None:
        return site.own_database
    uri = environment.uri.get_secret_value()
    return site.sqlite_file(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def _own_database_urls(postgres: Postgres, site: Site) -> dict[str, str]:
    place = site.store("postgres")
    where = f"{place.host}:{place.port}/{postgres.database}"
    return {
        "database_url": f"postgresql+psycopg://{postgres.role}:{{postgres_password|{postgres.role}}}@{where}",
        _OWNER_URL: f"postgresql+psycopg://{postgres.user}:{{postgres_password}}@{where}",
    }


def _database_url(uri: str, site: Site) -> str:
    """The address as SQLAlchemy takes it, as a component at this site reaches it."""
    if uri.startswith(SQLITE):
        return SQLITE + site.sqlite_file(uri.removeprefix(SQLITE))
    scheme, rest = site.external(uri).split("://", 1)
    return f"{scheme}+psycopg://{rest}"
