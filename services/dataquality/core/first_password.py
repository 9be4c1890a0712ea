"""The password that the server gave its first user: where it signs in, and when it is no longer that."""

from sqlalchemy import Delete, Table, delete, select

from dataquality.core.settings import Settings
from dataquality.model import ROOT_PASSWORD_IS_DEFAULT, ServerState, User

ROOT_USERNAME = "root"
FIRST_ROOT_PASSWORD = "root"  # noqa: S105 - known to everybody
_users: Table = User.__table__  # pyright: ignore[reportAssignmentType]


def is_closed_to(settings: Settings, password: str) -> bool:
    """Whether this is the first password, in an environment where nobody signs in with it over the network.

    It holds for every user: the first one may have another name by now.
    """
    return settings.is_strict and password == FIRST_ROOT_PASSWORD


def ended_by(user_id: int) -> Delete:
    """The statement to be run when this user's password is another one, or the user is gone.

    It deletes the mark if this is root, or if root has another name by now. Then the user's stamp must change too:
    what was remembered of its rights says that it may do nothing.
    """
    others = select(_users.c.id).where(_users.c.username == ROOT_USERNAME, _users.c.id != user_id).exists()
    return delete(ServerState).where(ServerState.key == ROOT_PASSWORD_IS_DEFAULT, ~others)
