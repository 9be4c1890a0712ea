"""The command line: notes and problems on standard error; on standard output one line of JSON.

That line has the document's text as `content`, and as `counts` how much of each kind is in it. Exits 0, or 1 when the
database cannot be read, or holds what the form cannot tell: then the line has `problems`.
"""

import argparse
import json
import sys

from sqlalchemy.exc import DBAPIError

from dataquality.core.settings import MissingSecret, settings_from_environment
from dataquality.jobs.exporter.emit import FORMATS
from dataquality.jobs.exporter.read import CannotExport, Export, read
from dataquality.jobs.migrate import CannotMigrate, check
from dataquality.jobs.reading import snapshot

OK, FAILED = 0, 1


def main(arguments: list[str] | None = None) -> int:
    """Run as a program."""
    options = _parse(arguments)
    try:
        export = _read(settings_from_environment().database_url)
    except CannotExport as error:
        sys.stdout.write(f"{json.dumps({'problems': error.problems})}\n")
        return FAILED
    except (CannotMigrate, MissingSecret) as error:
        return _fail(str(error))
    except DBAPIError as error:
        # The driver's first line only: SQLAlchemy's own text holds the statement.
        reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
        return _fail(f"The database failed ({reason}). See that it runs.")
    _say(*export.notes)
    content = FORMATS[options.format](export.document)
    sys.stdout.write(f"{json.dumps({'content': content, 'counts': export.counts})}\n")
    return OK


def _read(database_url: str) -> Export:
    check(database_url)
    with snapshot(database_url) as connection:
        return read(connection)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dataquality.jobs.exporter", description=__doc__)
    parser.add_argument("--format", choices=sorted(FORMATS), default="yaml", help="of the document")
    return parser.parse_args(arguments)


def _fail(line: str) -> int:
    _say(line)
    return FAILED


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()
