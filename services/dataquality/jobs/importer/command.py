"""The command line: the file on standard input; progress and problems on standard error; the result on standard output.

The result is one line of JSON: `imported` (or `plan` of a dry run) has what is new, changed and left of each kind,
`deleted` what `--drop-all` deletes, `without_password` the number of new users without one, `weak_passwords` where the
file has passwords of new users that are against the rules, and `api_keys` those that the import made: whoever reads
them must keep them, nobody can show them again.

Exits 0 when the file is imported, 1 when that failed, 4 when the file or the command line is not valid.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any, BinaryIO, Literal, NoReturn

from sqlalchemy.exc import DBAPIError, IntegrityError

from dataquality.core.database import create_engine
from dataquality.core.settings import MissingSecret, Settings, settings_from_environment
from dataquality.jobs.importer.document import ImportFile, read_file
from dataquality.jobs.importer.job import Done, ImportJob
from dataquality.jobs.importer.problems import InvalidFile, Place, Problem
from dataquality.jobs.importer.progress import Progress
from dataquality.jobs.importer.weak_passwords import weak_passwords
from dataquality.jobs.migrate import CannotMigrate, check
from dataquality.jobs.reading import snapshot

MOST_BYTES = 32 << 20
OK, FAILED, INVALID = 0, 1, 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(INVALID, f"{message}\n{self.format_usage()}")


def main(arguments: list[str] | None = None, stdin: BinaryIO | None = None) -> int:
    """Run as a program."""
    options = _parse(arguments)
    settings = settings_from_environment()
    if options.drop_all and not settings.allow_drop_all:
        return _say(INVALID, "--drop-all is not allowed here. Set `allow_drop_all: true` in the configuration first.")
    try:
        result = _import((stdin or sys.stdin.buffer).read(MOST_BYTES + 1), options, settings)
    except InvalidFile as invalid:
        return _say(INVALID, *(problem.text(options.label) for problem in invalid.problems))
    except (CannotMigrate, MissingSecret) as error:
        return _say(FAILED, str(error))
    except DBAPIError as error:
        return _say(FAILED, _explain(error))
    sys.stdout.write(f"{json.dumps(result)}\n")
    return OK


def _import(content: bytes, options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    _refuse_too_much(content)
    file = read_file(content, options.label.lower().endswith(".json"))
    try:
        check(settings.database_url)
        pepper = settings.secret("api_key_pepper")
        job = ImportJob(file, pepper, options.drop_all, options.update, Progress(_line))
        if options.dry_run:
            with snapshot(settings.database_url) as connection:
                return _result("plan", job.dry_run(connection), options.label)
        return _result("imported", asyncio.run(_run(job, settings.database_url)), options.label)
    except (CannotMigrate, MissingSecret, DBAPIError):
        _refuse_unread(file)
        raise


def _result(key: Literal["plan", "imported"], done: Done, label: str) -> dict[str, Any]:
    return {
        key: done.plan.names() if key == "plan" else done.plan.counts(),
        "deleted": done.deleted,
        "without_password": done.without_password,
        "weak_passwords": [weak.text(label) for weak in weak_passwords(user for _, user in done.plan.users)],
        "api_keys": [asdict(new) for new in done.new_keys],
    }


async def _run(job: ImportJob, database_url: str) -> Done:
    engine = create_engine(database_url, pool_size=1)
    try:
        return await job.run(engine)
    finally:
        await engine.dispose()


def _refuse_too_much(content: bytes) -> None:
    """What is read is held in memory, several times over."""
    if len(content) > MOST_BYTES:
        remedy = "Split it into files that can be imported one after the other"
        raise InvalidFile([Problem(Place("", 1), f"the file is larger than {MOST_BYTES >> 20} MiB", remedy)])


def _refuse_unread(file: ImportFile) -> None:
    """What is wrong with the file is wrong without a database too, and the file's author can help it."""
    if file.problems:
        raise InvalidFile(file.problems)


def _explain(error: DBAPIError) -> str:
    # The driver's first line only: SQLAlchemy's own text holds the statement's values, and so hashes.
    reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    if isinstance(error, IntegrityError):
        return f"Somebody changed the database at the same time ({reason}). Nothing was imported; try again."
    return f"The database failed ({reason}). Nothing was imported; see that it runs and that nothing else holds it."


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m dataquality.jobs.importer", description=__doc__)
    parser.add_argument("source", choices=["-"], help="standard input")
    parser.add_argument("--label", required=True, help="the file's name, for messages")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--update", action="store_true", help="change what exists to what the file says")
    parser.add_argument("--drop-all", action="store_true", help="delete all that the database holds first")
    return parser.parse_args(arguments)


def _say(code: int, *lines: str) -> int:
    for line in lines:
        _line(line)
    return code


def _line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
