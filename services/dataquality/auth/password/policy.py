"""What a password must be. Each rule has a text of its own."""

from dataquality.core.errors import Refused
from dataquality.core.password_policy import password_problem


def require_good(password: str, username: str, field: str) -> None:
    """Raise Refused, naming the field, for a password of this user that is against the rules."""
    if problem := password_problem(password, username):
        raise Refused(f"The password must {problem}.", {field: f"must {problem}"})
