"""The groups of keys inside an environment."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from vserver.config.fields import (
    Count,
    DateFormat,
    FileName,
    Flag,
    Folder,
    Host,
    Image,
    LogFormat,
    LogLevel,
    LogSize,
    Patience,
    Port,
    Secret,
    Section,
    Text,
    WebAddress,
    preset,
    refusal,
)

_QUIET_LEVELS: tuple[LogLevel, ...] = ("WARNING", "ERROR", "CRITICAL")
_ALLOWED_LEVELS: dict[str, tuple[LogLevel, ...]] = {
    "aiosqlite": _QUIET_LEVELS,
    "httpcore": _QUIET_LEVELS,
    "sqlalchemy": ("INFO", *_QUIET_LEVELS),
}
"""Below these, libraries write what is sent and stored."""


class Logger(Section):
    """The level of one library's or module's log."""

    name: Annotated[Text, Field(description="Name of the logger.", examples=["sqlalchemy.engine"])]
    level: Annotated[LogLevel, Field(description="Least level that it writes.", examples=["WARNING"])]

    @field_validator("level")
    @classmethod
    def _no_secrets(cls, level: LogLevel, info: ValidationInfo) -> LogLevel:
        name = str(info.data.get("name"))
        allowed = _ALLOWED_LEVELS.get(name.split(".")[0])
        if allowed and level not in allowed:
            raise refusal(f"one of {', '.join(allowed)} for {name}", "Below that it would write secrets to the log")
        return level


class Logging(Section):
    """What the server writes to its log, and where."""

    level: Annotated[LogLevel, Field(description="Least level that is written.", examples=["INFO"])] = "INFO"
    file: Annotated[
        FileName | None,
        Field(
            description="Name of the log file, in the log folder. Default: <name>-<environment>-<scope>.log.",
            examples=["test.log"],
        ),
    ] = None
    use_console: Annotated[Flag, Field(description="Also write the log to the console.")] = True
    backup_count: Annotated[Count, Field(description="Number of old log files that are kept.", examples=[5])] = 5
    max_size: Annotated[
        LogSize,
        Field(
            description="Size in kB at which a new log file is begun. The default holds a day of a busy server.",
            examples=[1024],
        ),
    ] = 51200
    format: Annotated[
        LogFormat,
        Field(
            description="Form of a line, as Python's logging.Formatter takes it; the context (request_id=...) follows "
            "each line by itself. Or json: one JSON object a line.",
            examples=["%(asctime)s %(levelname)s %(message)s", "json"],
        ),
    ] = "%(asctime)s - %(name)-14s - %(levelname)-8s - %(message)s"
    datefmt: Annotated[
        DateFormat,
        Field(
            description="Form of %(asctime)s, as Python's strftime takes it; times are UTC. With format json, of the "
            "field time, which without this key is as ISO 8601 says.",
            examples=["%H:%M:%S"],
        ),
    ] = "%Y-%m-%d %H:%M:%S"
    loggers: Annotated[tuple[Logger, ...], Field(description="Levels of single libraries or modules.")] = ()

    @field_validator("loggers")
    @classmethod
    def _each_once(cls, loggers: tuple[Logger, ...]) -> tuple[Logger, ...]:
        names = [logger.name for logger in loggers]
        if len(set(names)) < len(names):
            raise refusal("each logger at most once", "Keep one entry of each name")
        return loggers


class Smtp(Section):
    """The mail server through which the server writes to its users."""

    server: Annotated[Host, Field(description="Host name of the mail server.", examples=["smtp.example.org"])] = (
        "localhost"
    )
    port: Annotated[Port, Field(description="Port of the mail server.", examples=[587])] = 1025
    username: Annotated[
        Text | None,
        Field(
            description="Account at the mail server. Default: the support address.",
            examples=["your-username"],
        ),
    ] = None
    password: Annotated[SecretStr, Field(description="Password of the account.", examples=["file:smtp-password"])] = (
        SecretStr("")
    )
    ca_certificates: Annotated[
        Secret | None,
        Field(
            description="Certificates (PEM) of authorities to trust besides the usual ones, for a mail server whose "
            "certificate your own authority signed.",
            examples=["file:hospital-ca.pem"],
        ),
    ] = None
    mail_use_ssl: Annotated[
        Flag, Field(alias="MAIL_USE_SSL", description="Speak TLS from the first byte (port 465).")
    ] = False
    mail_use_tls: Annotated[
        Flag,
        Field(
            alias="MAIL_USE_TLS",
            description="Change over to TLS (STARTTLS). Default: true, unless MAIL_USE_SSL is true.",
        ),
    ] = True

    @model_validator(mode="before")
    @classmethod
    def _tls_unless_ssl(cls, values: object) -> object:
        return preset(values, {"MAIL_USE_TLS": False}, where=("MAIL_USE_SSL", True))

    @field_validator("ca_certificates")
    @classmethod
    def _in_pem(cls, certificates: Secret | None) -> Secret | None:
        if certificates and "-----BEGIN CERTIFICATE-----" not in certificates.get_secret_value():
            raise refusal("certificates in PEM", "Write file: and the path of the file that holds them")
        return certificates

    @field_validator("mail_use_tls")
    @classmethod
    def _one_of_two(cls, tls: bool, info: ValidationInfo) -> bool:
        if tls and info.data.get("mail_use_ssl"):
            raise refusal("false where MAIL_USE_SSL is true", "A connection is either one or the other")
        return tls


class PasswordPolicy(Section):
    """What happens after failed logins."""

    max_failed_attempts: Annotated[
        Count, Field(description="Failed logins after which an account is blocked for a while.", examples=[5])
    ] = 5
    inactivation_minutes: Annotated[Count, Field(description="Minutes for which it stays blocked.", examples=[15])] = 15


class LostRuns(Section):
    """What happens to an algorithm that runs on a node which is gone."""

    after_minutes: Annotated[
        Patience,
        Field(
            description="Minutes without any sign of a node (no open socket, no call) after which what it runs is "
            "lost. A connection that breaks for less costs nothing.",
            examples=[1440],
        ),
    ] = 1440
    then: Annotated[
        Literal["fail", "offer_again"],
        Field(
            description="What becomes of a lost run: fail (it ends as `unknown error`), offer_again (it waits for the "
            "node, which begins it anew).",
            examples=["offer_again"],
        ),
    ] = "fail"
    offers: Annotated[
        Count, Field(description="How often one run is offered again before it fails after all.", examples=[3])
    ] = 3


class VpnServer(Section):
    """The EduVPN server through which algorithm containers reach one another."""

    url: Annotated[
        WebAddress, Field(description="Address of the VPN server.", examples=["https://your-vpn-server.ext"])
    ]
    redirect_url: Annotated[
        WebAddress,
        Field(description="OAuth2: where the VPN server sends back to.", examples=["http://localhost"]),
    ]
    client_id: Annotated[Text, Field(description="OAuth2: name of the client.", examples=["your_VPN_client_user_name"])]
    client_secret: Annotated[
        Secret, Field(description="OAuth2: secret of the client.", examples=["file:vpn-client-secret"])
    ]
    portal_username: Annotated[Text, Field(description="User of the EduVPN portal.", examples=["portal-user"])]
    portal_userpass: Annotated[
        Secret,
        Field(description="Password of the user of the EduVPN portal.", examples=["file:vpn-portal-password"]),
    ]


class Images(Section):
    """Images of the stack's own containers."""

    server: Annotated[
        Image | None,
        Field(description="Image of the server (as the key image).", examples=["dataquality-server:1.0"]),
    ] = None


class Directories(Section):
    """Folders to use in place of the operating system's."""

    log: Annotated[Folder | None, Field(description="Folder of the log file.", examples=["/var/log/dataquality"])] = (
        None
    )
    data: Annotated[
        Folder | None,
        Field(
            description="Folder in which each instance gets a folder of its own for its data.",
            examples=["/srv/dataquality"],
        ),
    ] = None
