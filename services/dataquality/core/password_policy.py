"""What a password must be. Everything that sets one asks here: API, import, shell, and the operator's command."""

from functools import lru_cache

_SHORTEST, _LONGEST = 8, 128
_COMMONEST = 10_000
_SHORTEST_NAME = 3
"""Shorter usernames are not looked for, as in the password policy of Windows: too many passwords hold such a one."""


def password_problem(password: str, username: str) -> str | None:
    """What a new password of this user "must" do and does not ("hold a digit"); None for a good one."""
    return _composition_problem(password) or _guess_problem(password.strip().casefold(), username.casefold())


def _composition_problem(password: str) -> str | None:
    if len(password) < _SHORTEST:
        return f"have at least {_SHORTEST} characters"
    if len(password) > _LONGEST:
        return f"have at most {_LONGEST} characters"
    if not any(character.isdigit() for character in password):
        return "hold a digit"
    if not any(character.isupper() for character in password):
        return "hold an upper-case letter"
    if not any(character.islower() for character in password):
        return "hold a lower-case letter"
    if all(character.isalnum() for character in password):
        return "hold a character that is neither a letter nor a digit"
    return None


def _guess_problem(password: str, username: str) -> str | None:
    if len(username) >= _SHORTEST_NAME and username in password:
        return "not contain the username"
    if password in _common_passwords():
        return f"not be one of the {_COMMONEST:,} most common passwords"
    return None


@lru_cache
def _common_passwords() -> frozenset[str]:
    """The most common passwords in lower case, from zxcvbn's list (MIT; Dropbox's selection of leaked passwords)."""
    # Late: its lists take 14 MiB, and most processes never check a new password.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"][:_COMMONEST])
