"""The shell as a process: code on standard input, what it shows, and how it ends."""

import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from dataquality.jobs.shell.command import main
from support.importing import rows

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def secrets(sqlite_url: str, tmp_path: Path) -> Path:
    """What the job is given in its container."""
    (tmp_path / "database_url").write_text(sqlite_url)
    (tmp_path / "api_key_pepper").write_text("pepper")
    return tmp_path


@pytest.fixture
def run(secrets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs code by the program's own entry, in this process."""
    monkeypatch.setenv("DATAQUALITY_SECRETS", str(secrets))

    def run(code: str) -> "subprocess.CompletedProcess[str]":
        status = main(["-"], BytesIO(code.encode()))
        said = capsys.readouterr()
        return subprocess.CompletedProcess(["-"], status, said.out, said.err)

    return run


@pytest.fixture
def run_alone(secrets: Path) -> Run:
    """Runs code in a process of its own, as the job does in its container."""

    def run(code: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "dataquality.jobs.shell", "-"],
            env=os.environ | {"DATAQUALITY_SECRETS": str(secrets)},
            input=code, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_what_the_code_prints_and_its_last_expression_go_to_standard_output(run_alone: Run) -> None:
    done = run_alone('print("first")\ndb.Organization.get()')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "first\n[<Organization 1: 'root', domain: None, country: None>]\n"


def test_a_last_expression_that_is_nothing_shows_nothing(run: Run, sqlite_url: str) -> None:
    done = run('db.Organization(name="IKNL").save()')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert rows(sqlite_url, "organization", "name") == ["root", "IKNL"]


def test_a_refusal_is_one_line_that_names_the_line_of_the_code(run: Run) -> None:
    done = run('x = 1\ndb.Collaboration(encrypted=False).save()\nprint("never")')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: <code>:2: Nothing was stored: a collaboration needs a value for name.\n"


def test_any_other_error_shows_where_in_the_code_it_came_from_and_nothing_of_ours(run_alone: Run) -> None:
    done = run_alone("def f():\n    return 1 / 0\n\nf()\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert 'File "<code>", line 2, in f' in done.stderr
    assert "return 1 / 0" in done.stderr
    assert "jobs/shell" not in done.stderr


def test_code_that_cannot_be_read_runs_nothing_of_itself(run: Run, sqlite_url: str) -> None:
    done = run('db.Organization(name="IKNL").save()\nif True\n')
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert rows(sqlite_url, "organization", "name") == ["root"]


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [("sys.exit(7)", 7, ""), ("sys.exit()", 0, ""), ('sys.exit("that is enough")', 1, "that is enough\n")],
)
def test_the_code_may_end_as_it_wants(run: Run, ending: str, code: int, said: str) -> None:
    done = run(f"import sys\n{ending}")
    assert (done.returncode, done.stderr) == (code, said)


def test_what_was_changed_and_not_saved_is_said(run: Run, sqlite_url: str) -> None:
    done = run('org = db.Organization.get(1)\norg.domain = "x"\n')
    assert done.returncode == 0
    assert done.stderr == "note: 1 changed and not saved (Organization); these changes are gone\n"
    assert rows(sqlite_url, "organization", "domain") == [None]


def test_a_database_of_another_version_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "database_url").write_text(f"sqlite:///{tmp_path / 'none.sqlite'}")
    done = run("db.Organization.get()")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "none.sqlite" in done.stderr
