"""What a new password must be, whoever sets it."""

import pytest

from dataquality.core.password_policy import password_problem

COMMON = "not be one of the 10,000 most common passwords"
NAME = "not contain the username"


@pytest.mark.parametrize("password", ["P@ssw0rd", "p@SSW0RD", " P@ssw0rd", "!QAZ2wsx", "Sasha_007"])
def test_common_password_is_refused_in_any_case(password: str) -> None:
    """Each is in the first 10,000 of the lists of leaked passwords, and has all kinds of characters."""
    assert password_problem(password, "stan") == COMMON


@pytest.mark.parametrize("password", ["Quiet-Meadow-27", "P@ssw0rd-of-the-meadow", "Stan-2026"])
def test_other_password_is_accepted(password: str) -> None:
    assert password_problem(password, "admin") is None


@pytest.mark.parametrize("password", ["Stan-2026", "2026-STAN!x", "My-sTaN-1-word"])
def test_password_that_contains_the_username_is_refused_in_any_case(password: str) -> None:
    assert password_problem(password, "sTan") == NAME


@pytest.mark.parametrize("username", ["", "s", "st"])
def test_username_of_fewer_than_three_characters_is_not_looked_for(username: str) -> None:
    assert password_problem("Stan-2026", username) is None
