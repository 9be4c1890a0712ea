"""What a component is told: environment for what may be seen, one file a secret for what may not."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, IPvAnyNetwork
from pydantic_settings import BaseSettings, SettingsConfigDict

ShapeCheck = Literal["off", "warn", "refuse"]
LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET"]


class MissingSecret(RuntimeError):
    """A secret that this component needs is not in its secrets folder."""


class LoggerLevel(BaseModel):
    """One logger by name, and how much of it is wanted."""

    name: str
    level: LogLevel


class LoggingSettings(BaseModel):
    """The `logging` section of the configuration; `max_size` in kB."""

    level: LogLevel = "INFO"
    file: Path | None = None
    use_console: bool = True
    backup_count: int = 5
    max_size: int = 51200
    format: str = "%(asctime)s - %(name)-14s - %(levelname)-8s - %(message)s"
    datefmt: str = "%Y-%m-%d %H:%M:%S"
    loggers: list[LoggerLevel] = Field(default_factory=list[LoggerLevel])


class SmtpSettings(BaseModel):
    """The `smtp` section of the configuration, without its secrets (`smtp_password`, `smtp_ca`: both may be absent)."""

    server: str = "localhost"
    port: int = 1025
    username: str | None = None
    use_tls: bool = True
    """Change over to TLS after a plain beginning (STARTTLS)."""
    use_ssl: bool = False
    """Speak TLS from the first byte."""


class LostRunSettings(BaseModel):
    """The `lost_runs` section of the configuration."""

    after_minutes: float = 1440
    """Minutes without any sign of its node after which a run is lost."""
    then: Literal["fail", "offer_again"] = "fail"
    offers: int = 3
    """How often one run is offered again before it fails after all."""


class Settings(BaseSettings):
    """Settings of one component, from `DATAQUALITY_*`. Secrets are read from files when they are first asked for."""

    model_config = SettingsConfigDict(env_prefix="DATAQUALITY_", env_nested_delimiter="__", extra="ignore")

    secrets: Path = Path("/secrets")
    component: str = "job"
    instance: str = "dataquality"
    environment: Literal["dev", "test", "acc", "prod"] = "prod"
    host: str = "127.0.0.1"
    port: int = 8000
    sockets: Path | None = None
    """Folder of the services' Unix sockets, one a component, called after it; None: they listen on ports."""
    api_path: str = "/api"
    auth_url: str = "http://127.0.0.1:8001"
    entity_url: str = "http://127.0.0.1:8002"
    dispatch_url: str = "http://127.0.0.1:8003"
    dispatch_more_urls: list[str] = Field(default_factory=list[str])
    """Of its further instances: any of them will do."""
    workers: int = 2
    access_token_hours: float = 6.0
    refresh_token_hours: float = 48.0
    email_token_minutes: int = 60
    max_failed_attempts: int = 5
    inactivation_minutes: int = 15
    allow_drop_all: bool = False
    failures_per_address: int = 30
    """Failed sign-ins from one address within `failure_window_seconds` after which it must wait."""
    failures_per_account: int = 30
    """The same for one account, whoever tries: beyond the lock, which alone still costs a hash each time."""
    failure_window_seconds: int = 300
    two_factor_auth: bool = False
    max_body_mib: int = 256
    """MiB of the largest task or result, and of all large bodies that are in memory at once."""
    body_rate_kib: int = 16
    """KiB per second that a body has to arrive at, measured over `body_window_seconds`: 256 MiB in 4.6 hours."""
    body_window_seconds: float = 30
    encryption_shape_check: ShapeCheck = "warn"
    """What is done with texts in an encrypted collaboration that do not look encrypted."""
    lost_runs: LostRunSettings = Field(default_factory=LostRunSettings)
    redelivery_minutes: float = 5
    """After so many minutes a node that is connected is told again of a task that it has not begun."""
    trusted_proxies: list[IPvAnyNetwork] = Field(default_factory=list[IPvAnyNetwork])
    smtp: SmtpSettings | None = None
    """None: no mail can be sent."""
    support_email: str = "support@dataquality.ai"
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    secrets_guard: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Of the migration: the secrets that the database knows by a fingerprint, and what a refusal tells the operator."""

    @property
    def number(self) -> int:
        """Which of several equal components this is: `dispatch` is the first, `dispatch-2` the second."""
        given = self.component.partition("-")[2]
        return int(given) if given.isdecimal() else 1

    @property
    def socket(self) -> Path | None:
        """The Unix socket on which this component listens; None: on `host` and `port`."""
        return self.sockets and self.sockets / f"{self.component}.sock"

    @property
    def dispatch_urls(self) -> list[str]:
        """Of all instances of dispatch."""
        return [self.dispatch_url, *self.dispatch_more_urls]

    @property
    def is_strict(self) -> bool:
        """True where real people or real data may be: acceptance and production."""
        return self.environment in ("acc", "prod")

    def secret(self, name: str) -> str:
        """The content of the secret file `name`, without surrounding white space. Raises MissingSecret."""
        path = self.secrets / name
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise MissingSecret(f"{self.component} cannot read its secret {path}: {error.strerror}") from error

    def optional_secret(self, name: str) -> str | None:
        """The same, or None where there is no such file."""
        return self.secret(name) if (self.secrets / name).exists() else None

    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy URL without an asynchronous driver; holds a password."""
        return self.secret("database_url")

    @cached_property
    def owner_database_url(self) -> str:
        """The same for who owns the tables: the migration. Another only in a database that the stack brings."""
        return self.optional_secret("owner_database_url") or self.database_url

    @cached_property
    def redis_url(self) -> str:
        """`redis://:password@host:port/0`."""
        return self.secret("redis_url")


def settings_from_environment() -> Settings:
    """The settings of this process."""
    return Settings()
