"""The command line: YAML on standard input; progress and problems on standard error; the result on standard output.

Exits 0 when the file is imported, 1 when that failed, 4 when the file or the command line is not valid.
"""

import argparse
import asyncio
import json
import sys
from typing import BinaryIO, NoReturn

from sqlalchemy.exc import DBAPIError, IntegrityError

from dataquality.core.database import create_engine
from dataquality.core.settings import MissingSecret, Settings, settings_from_environment
from dataquality.jobs.importer.document import ImportFile, read_file
from dataquality.jobs.importer.job import ImportJob
from dataquality.jobs.importer.problems import InvalidFile
from dataquality.jobs.importer.progress import Progress
from dataquality.jobs.importer.write import Summary
from dataquality.jobs.migrate import CannotMigrate, check

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
        summary = _import((stdin or sys.stdin.buffer).read(), options.drop_all, settings)
    except InvalidFile as invalid:
        return _say(INVALID, *(problem.text(options.label) for problem in invalid.problems))
    except (CannotMigrate, MissingSecret) as error:
        return _say(FAILED, str(error))
    except DBAPIError as error:
        return _say(FAILED, _explain(error))
    sys.stdout.write(f"{json.dumps(summary.to_json())}\n")
    return OK


def _import(content: bytes, drop_all: bool, settings: Settings) -> Summary:
    file = read_file(content)
    try:
        check(settings.database_url)
        job = ImportJob(file, settings.secret("api_key_pepper"), drop_all, Progress(_line))
        return asyncio.run(_run(job, settings.database_url))
    except (CannotMigrate, MissingSecret, DBAPIError):
        _refuse_unread(file)
        raise


async def _run(job: ImportJob, database_url: str) -> Summary:
    engine = create_engine(database_url, pool_size=1)
    try:
        return await job.run(engine)
    finally:
        await engine.dispose()


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
    parser.add_argument("--drop-all", action="store_true", help="delete all that the database holds first")
    return parser.parse_args(arguments)


def _say(code: int, *lines: str) -> int:
    for line in lines:
        _line(line)
    return code


def _line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
