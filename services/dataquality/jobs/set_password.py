"""Sets a user's password, which comes on standard input: `python -m dataquality.jobs.set_password USERNAME`.

It is held to the policy, and ends the lock after failed sign-ins and every sign-in of the user.

Exits 0 when it is set, 1 when that failed, 4 when the password or the command line is wrong, or nobody has that name.
"""

import argparse
import sys
from typing import BinaryIO, NoReturn

from dataquality.core.settings import MissingSecret, settings_from_environment
from dataquality.jobs.migrate import CannotMigrate, check
from dataquality.jobs.shell import db
from dataquality.jobs.shell.connection import opened
from dataquality.jobs.shell.errors import NotThere, ShellError

OK, FAILED, INVALID = 0, 1, 4
_MOST_BYTES = 4096


class InvalidPassword(ValueError):
    """Cannot be set; the text says what it must be."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(INVALID, f"{message}\n{self.format_usage()}")


def main(arguments: list[str] | None = None, stdin: BinaryIO | None = None) -> int:
    """Run as a program."""
    username, settings = _username(arguments), settings_from_environment()
    given = (stdin or sys.stdin.buffer).read(_MOST_BYTES + 1)
    try:
        check(settings.database_url)
        with opened(settings.database_url, settings.secret("api_key_pepper")):
            set_password(username, _text(given))
    except (InvalidPassword, NotThere) as error:
        return _say(INVALID, str(error))
    except (CannotMigrate, MissingSecret, ShellError) as error:
        return _say(FAILED, str(error))
    return OK


def set_password(username: str, password: str) -> None:
    """Set it, in the database that is open. Raises InvalidPassword, NotThere or another ShellError."""
    user = db.User.get_by_username(username)
    user.failed_login_attempts, user.last_failed_login_at = 0, None
    if problem := user.set_password(password):
        raise InvalidPassword(problem)


def _text(given: bytes) -> str:
    if len(given) > _MOST_BYTES:
        raise InvalidPassword(f"The password must have at most {_MOST_BYTES} bytes.")
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise InvalidPassword("The password must be text in UTF-8.") from None


def _username(arguments: list[str] | None) -> str:
    parser = _Parser(prog="python -m dataquality.jobs.set_password", description=__doc__)
    parser.add_argument("username", help="the name that the user signs in with")
    return str(parser.parse_args(arguments).username)


def _say(code: int, text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
