"""The schema of a configuration: the one source of validation, JSON Schema and documentation."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from vserver.config.fields import (
    Address,
    ApiPath,
    BodySize,
    Count,
    DatabaseAddress,
    Email,
    Flag,
    Hours,
    Image,
    Instances,
    Network,
    Port,
    Secret,
    Section,
    ShapeCheck,
    Workers,
    preset,
    refusal,
)
from vserver.config.names import STRICT_TYPES, EnvironmentType
from vserver.config.sections import Directories, Images, Logging, LostRuns, PasswordPolicy, Smtp, VpnServer
from vserver.config.weak_secrets import SHORTEST_SECRET, weakness

_DAY_FOR_TESTS = 24.0


class Environment(Section):
    """One environment: all that a stack needs to know to run."""

    description: Annotated[
        str,
        Field(
            description="What this server is for, so that your peers can tell it from others.",
            examples=["Test"],
        ),
    ] = ""
    type: Annotated[
        EnvironmentType,
        Field(
            description="Kind of environment. Default: the environment's own name (application: prod). "
            "With test, access tokens last a day; with acc and prod, weak secrets are refused.",
            examples=["test"],
        ),
    ] = "prod"
    ip: Annotated[
        Address,
        Field(description="Address to listen on; 0.0.0.0 means all interfaces.", examples=["127.0.0.1"]),
    ] = "0.0.0.0"  # noqa: S104 - the manual's default: nodes on other machines must reach the server
    port: Annotated[Port, Field(description="Port to listen on.", examples=[5000])] = 5000
    api_path: Annotated[
        ApiPath,
        Field(
            description="Path of the API, with the subpath of a reverse proxy if there is one.",
            examples=["/api"],
        ),
    ] = "/api"
    uri: Annotated[
        DatabaseAddress | None,
        Field(
            description="Database. A relative SQLite path starts in the instance's data folder. "
            "Default: the stack brings its own Postgres.",
            examples=["sqlite:///test.sqlite", "postgresql://user:${DB_PASSWORD}@172.17.0.1/database"],
        ),
    ] = None
    allow_drop_all: Annotated[Flag, Field(description="Whether `vserver import --drop-all` may wipe the database.")] = (
        False
    )
    jwt_secret_key: Annotated[
        Secret | None,
        Field(
            description=f"Secret that signs all tokens, {SHORTEST_SECRET} bytes or more. "
            "Default: one is made at the first start and kept in the instance's data folder.",
            examples=["file:jwt-secret", "${JWT_SECRET}"],
        ),
    ] = None
    logging: Annotated[Logging, Field(description="The server's log.")] = Logging()
    smtp: Annotated[Smtp | None, Field(description="Mail server for messages to users. Default: none.")] = None
    support_email: Annotated[
        Email | None,
        Field(
            description="Address for users' questions. Default: smtp.username, or support@dataquality.ai.",
            examples=["your-support@email.com"],
        ),
    ] = None
    email_token_validity_minutes: Annotated[
        Count, Field(description="Minutes for which a reset token sent by mail is valid.", examples=[60])
    ] = 60
    token_expires_hours: Annotated[
        Hours,
        Field(
            description="Hours for which an access token is valid. Default: 6; with type test, 24.",
            examples=[6],
        ),
    ] = 6.0
    refresh_token_expires_hours: Annotated[
        Hours,
        Field(
            description="Hours for which a refresh token is valid; more than an access token.",
            examples=[48],
            validate_default=True,
        ),
    ] = 48.0
    password_policy: Annotated[PasswordPolicy, Field(description="Rules about failed logins.")] = PasswordPolicy()
    two_factor_auth: Annotated[Flag, Field(description="Whether users must log in with a second factor.")] = False
    vpn_server: Annotated[
        VpnServer | None,
        Field(description="EduVPN server for algorithms that talk to one another. Default: none."),
    ] = None
    image: Annotated[
        Image | None,
        Field(
            description="Image of the server. Default: dataquality-server of this version.",
            examples=["registry.example.org/dataquality-server:1.0"],
        ),
    ] = None
    images: Annotated[Images, Field(description="Images of the stack, one by one.")] = Images()
    directories: Annotated[Directories, Field(description="Folders to use in place of the operating system's.")] = (
        Directories()
    )
    driver: Annotated[
        Literal["compose", "local"] | None,
        Field(
            description="How the stack is run: as containers, or as processes of this machine. "
            "Default: compose where a Docker engine answers, else local.",
            examples=["compose"],
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Field(
            description="Reverse proxies that are believed when they name a caller's address.",
            examples=[["10.0.0.7", "172.17.0.0/16"]],
        ),
    ] = ()
    max_body_mib: Annotated[
        BodySize,
        Field(
            description="MiB of the largest task or result, and of all large ones that are worked at at once: others "
            "wait. The part of the server that takes them may use about twelve times as much memory.",
            examples=[256],
        ),
    ] = 256
    encryption_shape_check: Annotated[
        ShapeCheck,
        Field(
            description="What happens in an encrypted collaboration to an input or a result that does not look "
            "encrypted: off (nothing), warn (a line in the log), refuse (the sender is told).",
            examples=["refuse"],
        ),
    ] = "warn"
    lost_runs: Annotated[
        LostRuns, Field(description="What happens to an algorithm that runs on a node which is gone.")
    ] = LostRuns()
    redelivery_minutes: Annotated[
        Count,
        Field(
            description="Minutes after which a node that is connected and has not begun a task is told of it again, "
            "and then after twice as long each time, up to an hour.",
            examples=[5],
        ),
    ] = 5
    dispatch_instances: Annotated[
        Instances,
        Field(
            description="How many processes hold the nodes' connections and take tasks and results, side by side; "
            "when one dies, the others go on. Each may use as much memory as max_body_mib says.",
            examples=[2],
        ),
    ] = 1
    workers: Annotated[
        Workers, Field(description="Processes that do background work (events, mail).", examples=[2])
    ] = 2

    @property
    def is_strict(self) -> bool:
        """Whether real people or real data may be there."""
        return self.type in STRICT_TYPES

    @property
    def server_image(self) -> str | None:
        """The image of the server, under whichever of its two keys it is named."""
        return self.image or self.images.server

    @model_validator(mode="before")
    @classmethod
    def _a_day_for_tests(cls, values: object) -> object:
        return preset(values, {"token_expires_hours": _DAY_FOR_TESTS}, where=("type", "test"))

    @field_validator("jwt_secret_key")
    @classmethod
    def _strong_where_it_counts(cls, secret: Secret | None, info: ValidationInfo) -> Secret | None:
        weak = weakness(secret.get_secret_value()) if secret else None
        if weak and info.data.get("type") in STRICT_TYPES:
            raise refusal(
                f"a secret of {SHORTEST_SECRET} bytes or more with type {info.data['type']}, but {weak}",
                "Remove the line and a strong one is made and kept, or write one from `openssl rand -hex 32`",
            )
        return secret

    @field_validator("refresh_token_expires_hours")
    @classmethod
    def _longer_than_access(cls, hours: float, info: ValidationInfo) -> float:
        access = info.data.get("token_expires_hours")
        if access is not None and hours <= access:
            raise refusal(
                f"more hours than token_expires_hours, which is {access:g}",
                "A refresh token must outlive the access tokens that it renews",
            )
        return hours

    @field_validator("images")
    @classmethod
    def _one_image(cls, images: Images, info: ValidationInfo) -> Images:
        image = info.data.get("image")
        if image and images.server and image != images.server:
            raise refusal("the same server as in the key image", "Keep one of image and images.server")
        return images


class Environments(Section):
    """The environments of development, test, acceptance and production."""

    dev: Annotated[Environment | None, Field(description="Development: it is ok to break things here.")] = None
    test: Annotated[Environment | None, Field(description="Test: resembles the final environment.")] = None
    acc: Annotated[Environment | None, Field(description="Acceptance: where the final user tries things.")] = None
    prod: Annotated[Environment | None, Field(description="Production: where final analyses run.")] = None


class Configuration(Section):
    """A configuration file of the dataquality server."""

    application: Annotated[
        Environment | None, Field(description="The one environment of a server that has no others.")
    ] = None
    environments: Annotated[Environments, Field(description="Environments of this server.")] = Environments()
