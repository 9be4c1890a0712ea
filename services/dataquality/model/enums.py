"""The words the schema knows."""

from enum import Enum, StrEnum


class Operation(Enum):
    """What a rule allows; the API shows the name, the database holds the short value."""

    VIEW = "v"
    EDIT = "e"
    CREATE = "c"
    DELETE = "d"


class Scope(Enum):
    """On what a rule allows it; the API shows the name, the database holds the short value."""

    OWN = "own"
    ORGANIZATION = "org"
    COLLABORATION = "col"
    GLOBAL = "glo"


class OnlineStatus(StrEnum):
    """Whether a user or a node holds a socket; null until the first one."""

    ONLINE = "online"
    OFFLINE = "offline"


class ResultStatus(StrEnum):
    """Where the work of one organization on one task stands."""

    PENDING = "pending"
    INITIALIZING = "initializing"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    START_FAILED = "start failed"
    NO_DOCKER_IMAGE = "non-existing Docker image"
    CRASHED = "crashed"
    KILLED = "killed by user"
    NOT_ALLOWED = "not allowed"
    UNKNOWN_ERROR = "unknown error"

    @property
    def is_open(self) -> bool:
        """True while the node still has something to do."""
        return self in (ResultStatus.PENDING, ResultStatus.INITIALIZING, ResultStatus.ACTIVE)

    @property
    def is_failed(self) -> bool:
        """True for an end without success."""
        return not self.is_open and self is not ResultStatus.COMPLETED
