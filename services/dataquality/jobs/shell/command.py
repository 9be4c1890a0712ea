"""The command line: a prompt, or with `-` the code on standard input. See `terminal` and `script`.

Exits 0, or 1 when the database cannot be used or the code raised, or with what the code exits with.
"""

import argparse
import sys
from typing import Any, BinaryIO, NoReturn

from sqlalchemy.exc import SQLAlchemyError

from dataquality.core.settings import MissingSecret, Settings, settings_from_environment
from dataquality.jobs.migrate import CannotMigrate, check
from dataquality.jobs.shell import db
from dataquality.jobs.shell.connection import ShellSession, opened
from dataquality.jobs.shell.errors import ShellError
from dataquality.jobs.shell.refusals import explained
from dataquality.jobs.shell.script import run_script

OK, FAILED, INVALID = 0, 1, 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(INVALID, f"{message}\n{self.format_usage()}")


def main(arguments: list[str] | None = None, stdin: BinaryIO | None = None) -> int:
    """Run as a program."""
    options = _parse(arguments)
    settings = settings_from_environment()
    try:
        check(settings.database_url)
        pepper = settings.secret("api_key_pepper")
    except (CannotMigrate, MissingSecret) as error:
        return _say(str(error))
    with opened(settings.database_url, pepper) as shell:
        if options.source:
            code = run_script((stdin or sys.stdin.buffer).read().decode(), _namespace())
        else:
            code = _prompt(settings, shell.session)
        _note_unsaved(shell.session)
        return code


def _prompt(settings: Settings, session: ShellSession) -> int:
    # Late: it takes longer to load than a script takes to run.
    from dataquality.jobs.shell.terminal import interact

    def explain(error: BaseException) -> str:
        if not isinstance(error, SQLAlchemyError) or isinstance(error, ShellError):
            return str(error)
        # A relation was read, and that failed.
        session.rollback()
        return f"The database cannot be read: {explained(error)}"

    banner = (
        f"{settings.instance} ({settings.environment}). `db` holds its data: db.help() lists what there is.\n"
        "Call .save() once an object is as it should be. What is typed here is kept nowhere. Ctrl-D leaves.\n"
    )
    interact(_namespace(), banner, session.forget_clean, (ShellError, SQLAlchemyError), explain)
    return OK


def _namespace() -> dict[str, Any]:
    return {"__name__": "__main__", "db": db, "Scope": db.Scope, "Operation": db.Operation}


def _note_unsaved(session: ShellSession) -> None:
    changed = [one for one in session.dirty if session.is_modified(one)]
    if changed:
        names = ", ".join(sorted(type(one).__name__ for one in changed))
        _say(f"note: {len(changed)} changed and not saved ({names}); these changes are gone")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m dataquality.jobs.shell", description=__doc__)
    parser.add_argument("source", choices=["-"], nargs="?", help="run the code on standard input; without, prompt")
    return parser.parse_args(arguments)


def _say(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return FAILED
