"""Every wrong value is refused with what was found, what is expected and what to do: data/wrong-values.txt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vserver.config.keys import KEYS
from vserver.config.reader import read_environment
from vserver.errors import ConfigurationError, ExitCode, Problem

TABLE = Path(__file__).parent / "data" / "wrong-values.txt"
VARIABLES = {"SHORT": "hunter2", "NO_BOOLEAN": "true"}


def rows() -> Iterator[tuple[str, list[str]]]:
    for block in TABLE.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.strip("\n").splitlines() if not line.startswith("#")]
        body = [line for line in lines if not line.startswith("=> ")]
        if body:
            yield "\n".join(f"    {line}" for line in body), [line[3:] for line in lines if line not in body]


def as_in_the_table(problem: Problem, folder: Path) -> str:
    key = problem.key.removeprefix("environments.prod.")
    sentence = ": ".join(filter(None, (key, problem.message)))
    return f"{sentence}. {problem.hint}".removesuffix(". ").replace(str(folder), "{folder}")


ROWS = list(rows())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "short").write_text("hunter2\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    return tmp_path


@pytest.mark.parametrize(("body", "expected"), ROWS, ids=[body.strip()[:50] for body, _ in ROWS])
def test_a_wrong_value_is_refused_with_its_remedy(folder: Path, body: str, expected: list[str]) -> None:
    path = folder / "server.yaml"
    path.write_text(f"environments:\n  prod:\n{body}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_environment(path, "prod", VARIABLES)
    error = caught.value
    assert [as_in_the_table(problem, folder) for problem in error.problems] == expected
    assert error.exit_code == ExitCode.USAGE
    assert "hunter2" not in str(error)


def test_the_table_has_a_row_for_every_key_that_can_be_wrong() -> None:
    text = TABLE.read_text(encoding="utf-8")
    unheard = [names for names in KEYS if f"{names[-1]}: " not in text]
    assert unheard == []
