"""The log as its readers find it: each test lets a process of its own write, and reads the file and the console."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from support.forking import Forking

IMPORTS = """
import logging, sys, structlog
from dataquality.core.logs import set_up_logging
from dataquality.core.settings import Settings
"""
SET_UP = f"""{IMPORTS}
set_up_logging(Settings())
log = structlog.stdlib.get_logger("ours")
library = logging.getLogger("library")
"""
A_LINE = 200
USUAL = {"LEVEL": "INFO", "USE_CONSOLE": "true", "FORMAT": "%(levelname)s %(name)s %(message)s"}


class Writer(Protocol):
    """Runs `code` in a process of ours: what that leaves in the file and on the console."""

    def __call__(
        self, folder: Path, code: str, secrets: dict[str, str] | None = None, /, **logging: str
    ) -> tuple[str, str]: ...


@pytest.fixture(scope="module")
def written() -> Iterator[Writer]:
    """In a fork of a process that has imported what ours import: that takes longer than to write."""
    forking = Forking(IMPORTS)

    def written(folder: Path, code: str, secrets: dict[str, str] | None = None, /, **logging: str) -> tuple[str, str]:
        errors = folder / "console"
        status = forking.run(SET_UP + code, environment(folder, secrets or {}, logging), errors)
        assert status == 0, errors.read_text()
        file = folder / "server.log"
        return file.read_text() if file.exists() else "", errors.read_text()

    yield written
    forking.stop()


def written_alone(folder: Path, code: str, **logging: str) -> None:
    """Run `code` in a process of ours that begins with nothing."""
    done = subprocess.run(
        [sys.executable, "-c", SET_UP + code],
        env=environment(folder, {}, logging),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def environment(folder: Path, secrets: dict[str, str], logging: dict[str, str]) -> dict[str, str]:
    """What a service is told of its logs."""
    held = folder / "secrets"
    held.mkdir(exist_ok=True)
    for name, value in secrets.items():
        (held / name).write_text(value)
    settings = USUAL | {"FILE": str(folder / "server.log")} | logging
    given = {f"DATAQUALITY_LOGGING__{name}": value for name, value in settings.items()}
    return {"DATAQUALITY_SECRETS": str(held), "DATAQUALITY_COMPONENT": "auth", "TZ": "UTC"} | given


def test_the_file_and_the_console_hold_the_same_lines(written: Writer, tmp_path: Path) -> None:
    file, console = written(tmp_path, "log.info('a word'); library.warning('another')")
    assert file.splitlines() == ["INFO ours a word component=auth", "WARNING library another component=auth"]
    assert console == file


def test_without_the_console_the_file_alone_is_written(written: Writer, tmp_path: Path) -> None:
    file, console = written(tmp_path, "log.info('a word')", USE_CONSOLE="false")
    assert "a word" in file
    assert console == ""


@pytest.mark.parametrize(
    ("level", "seen"),
    [("CRITICAL", 1), ("WARNING", 3), ("DEBUG", 5), ("NOTSET", 6)],
)
def test_a_level_lets_through_what_is_as_grave(written: Writer, tmp_path: Path, level: str, seen: int) -> None:
    code = "for level in (50, 40, 30, 20, 10, 5): library.log(level, 'said at %s', level)"
    file, _ = written(tmp_path, code, LEVEL=level)
    assert file.count("said at") == seen


def test_single_loggers_have_levels_of_their_own(written: Writer, tmp_path: Path) -> None:
    loggers = json.dumps([{"name": "library", "level": "ERROR"}, {"name": "library.part", "level": "DEBUG"}])
    code = """
library.warning('too much'); logging.getLogger('library.other').warning('too much as well')
logging.getLogger('library.part').debug('wanted'); log.debug('not asked for')
"""
    file, _ = written(tmp_path, code, LOGGERS=loggers)
    assert file == "DEBUG library.part wanted component=auth\n"


def test_the_small_talk_of_libraries_is_left_out_unless_it_is_asked_for(written: Writer, tmp_path: Path) -> None:
    talk = "import logging; logging.getLogger('sqlalchemy.pool.impl').info('Pool disposed')"
    assert "Pool disposed" not in written(tmp_path, talk, level="INFO")[0]
    asked = json.dumps([{"name": "sqlalchemy.pool", "level": "INFO"}])
    assert "Pool disposed" in written(tmp_path, talk, level="INFO", loggers=asked)[0]


def test_the_forms_of_line_and_date_are_as_configured(written: Writer, tmp_path: Path) -> None:
    file, _ = written(tmp_path, "log.info('a word')", FORMAT="%(message)s (%(asctime)s)", DATEFMT="year %Y")
    assert file.startswith("a word (year 2")
    assert file.endswith(") component=auth\n")


@pytest.mark.parametrize("format", ["%(message)s", "%(message)s <- %(levelname)s", "%(asctime)s: %(message)s!"])
def test_a_line_ends_with_its_context_and_the_trace_of_an_error_follows_it(
    written: Writer, tmp_path: Path, format: str
) -> None:
    code = """
structlog.contextvars.bind_contextvars(request_id='r-1')
library.info('of a library')
log.info('of ours', status=200, name='two words')
try: 1 / 0
except ZeroDivisionError: log.exception('failed')
"""
    file, _ = written(tmp_path, code, FORMAT=format)
    lines = file.splitlines()
    assert lines[0].endswith(" component=auth request_id=r-1")
    assert lines[1].endswith(" component=auth name='two words' request_id=r-1 status=200")
    assert lines[2].endswith(" component=auth request_id=r-1")
    assert lines[3].startswith("Traceback")
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_nothing_that_others_send_looks_like_a_line_of_its_own(written: Writer, tmp_path: Path) -> None:
    code = r"""
log.info('request', path='/a\nINFO ours forged component=auth')
library.info('said %s', 'b\r\nINFO ours forged\x1b[2J')
log.info('request', path='/c status=200')
"""
    file, _ = written(tmp_path, code)
    assert len(file.splitlines()) == 3
    assert "\x1b" not in file
    assert "path='/c status=200'" in file


def parsed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_object_a_line_with_context_and_trace(written: Writer, tmp_path: Path) -> None:
    code = r"""
structlog.contextvars.bind_contextvars(request_id='r-1')
log.info('a "word"\nand more', status=200, level='not the level')
try: 1 / 0
except ZeroDivisionError: library.exception('failed')
"""
    file, console = written(tmp_path, code, FORMAT="json", DATEFMT="")
    first, second = parsed(file)
    assert console == file
    assert list(first)[:4] == ["time", "level", "logger", "message"]
    assert first["message"] == 'a "word"\nand more'
    assert (first["level"], first["logger"], first["request_id"], first["status"]) == ("INFO", "ours", "r-1", 200)
    assert first["time"].endswith("+00:00")
    assert second["exception"].endswith("ZeroDivisionError: division by zero")


def test_json_takes_a_form_of_date_too(written: Writer, tmp_path: Path) -> None:
    file, _ = written(tmp_path, "log.info('a word')", FORMAT="json", DATEFMT="year %Y")
    assert parsed(file)[0]["time"].startswith("year 2")


def test_many_processes_write_one_file_that_is_begun_anew_by_size_and_kept_by_count(tmp_path: Path) -> None:
    code = """
import os
for number in range(400): log.info(f'line {number} of {os.getpid()}', filler='x' * 60)
"""
    with ThreadPoolExecutor(4) as pool:
        size = {"MAX_SIZE": "64", "BACKUP_COUNT": "9", "USE_CONSOLE": "false"}
        for process in [pool.submit(written_alone, tmp_path, code, **size) for _ in range(4)]:
            process.result()
    files = sorted(tmp_path.glob("server.log*"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert len(files) > 2
    assert all(file.stat().st_size < 64 * 1024 + A_LINE for file in files)
    assert len(lines) == len(set(lines)) == 1600, "no line is lost or torn when a new file is begun"

    written_alone(tmp_path, code, **(size | {"BACKUP_COUNT": "2", "MAX_SIZE": "17"}))
    assert {file.name for file in tmp_path.glob("server.log*")} >= {"server.log", "server.log.1", "server.log.2"}
    assert (tmp_path / "server.log.1").stat().st_size < 17 * 1024 + A_LINE


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjEsImlkIjoicm9vdCJ9.c2lnbmF0dXJl"
TOLD = {
    "a token": f"got {JWT} here",
    "a header": f"< Authorization: Bearer {JWT[:30]}",
    "a header of another kind": "> Cookie: session=hush",
    "headers as Python has them": "[(b'authorization', b'Bearer hush'), (b'accept', b'*/*')]",
    "a body as Python has it": "{'username': 'a', 'password': 'hush and more'}",
    "a body as JSON": '{"username": "a", "api_key": "hush", "next": 1}',
    "a body within JSON": r'{"data": "{\"password\": \"hush\"}"}',
    "an address": "postgresql://dataquality:hush@db/database does not answer",
    "a query": "GET /x?reset_token=hush&y=1",
    "a known value": "the key is s3cret/of+this=process!",
    "a known value in an address": "x=s3cret%2Fof%2Bthis%3Dprocess%21",
    "a known password of an address": "tried d4tabase-pass",
}


@pytest.mark.parametrize("format", ["%(message)s", "json"])
def test_a_secret_that_a_library_tells_is_hidden(written: Writer, tmp_path: Path, format: str) -> None:
    held = {
        "jwt_secret_key": "s3cret/of+this=process!",
        "database_url": "postgresql+psycopg://dataquality:d4tabase-pass@db:5432/dataquality",
    }
    code = f"""
for what, said in {TOLD!r}.items():
    library.info(said)
    log.info('as context', it=said)
    try: raise ValueError(said)
    except ValueError: library.exception('failed')
"""
    text, console = written(tmp_path, code, held, FORMAT=format)
    secrets = ("hush", JWT[:30], held["jwt_secret_key"], "s3cret%2F", "d4tabase-pass")
    assert [line for line in (text + console).splitlines() if any(secret in line for secret in secrets)] == []
    assert text.count("***") >= 3 * len(TOLD)


def test_what_is_no_secret_stays(written: Writer, tmp_path: Path) -> None:
    said = "request POST /api/token/user by node 12 of a token family, 'path': '/api/recover', tokens 3, x@example.org"
    file, _ = written(tmp_path, f"log.info({said!r}, status=200, component_of='auth')")
    assert said in file
    assert "***" not in file


def test_what_libraries_store_and_send_is_not_written_even_at_debug(written: Writer, tmp_path: Path) -> None:
    names = ("aiosqlite", "httpcore.http11", "socketio.server", "sqlalchemy.engine.Engine")
    code = f"[logging.getLogger(name).debug('values') for name in {names}]"
    loggers = json.dumps([{"name": name, "level": "DEBUG"} for name in ("aiosqlite", "sqlalchemy.engine.Engine")])
    assert written(tmp_path, code, LEVEL="DEBUG", LOGGERS=loggers)[0] == ""
