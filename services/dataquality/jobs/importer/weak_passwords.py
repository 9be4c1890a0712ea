"""Passwords that the API would refuse. The import takes them, as the manual's own example has such, and warns."""

from collections.abc import Iterable, Iterator

from dataquality.core.password_policy import password_problem
from dataquality.jobs.importer.document import UserEntry
from dataquality.jobs.importer.problems import Problem

_REMEDY = "It works all the same: have the user change it, or write another one before you import the file"


def weak_passwords(users: Iterable[UserEntry]) -> Iterator[Problem]:
    """What is wrong with the passwords of these users, and where. Holds no password."""
    for user in users:
        password = user.password
        if password.value and (problem := password_problem(password.value, user.username.value)):
            yield Problem(password.place, f"this password is weak: it must {problem}", _REMEDY)
