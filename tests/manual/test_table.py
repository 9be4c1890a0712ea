"""Each sentence of the operator's manual is shown by a test, or stands in docs/differences.md with its reason."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.manual import MANUAL, pieces

TESTS = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("table.yaml")
DIFFERENCES = TESTS.parent / "docs" / "differences.md"


def table() -> dict[str, list[dict[str, Any]]]:
    return yaml.safe_load(TABLE.read_text())


def rows() -> list[tuple[str, str, list[str]]]:
    """Heading, what is said there, and what shows it."""
    return [(heading, row["says"], row["shown by"]) for heading, found in table().items() for row in found]


def proofs() -> list[str]:
    return sorted({proof for _, _, shown in rows() for proof in shown})


def test_the_table_has_a_row_for_everything_that_the_manual_says_and_no_other() -> None:
    said = [(piece.heading, piece.text) for piece in pieces(MANUAL.read_text())]
    assert [(heading, text) for heading, text, _ in rows()] == said
    assert len(said) > 150


def test_no_row_is_without_a_proof() -> None:
    assert [says for _, says, shown in rows() if not shown] == []


def test_every_difference_that_is_named_has_a_row_with_a_reason() -> None:
    named = {proof.removeprefix("difference: ") for proof in proofs() if proof.startswith("difference: ")}
    assert named - _differences() == set()


def test_every_test_that_is_named_is_there() -> None:
    named = {proof for proof in proofs() if not proof.startswith("difference: ")}
    assert {proof for proof in named if not _is_there(proof)} == set()


def test_nothing_of_the_manual_is_overlooked() -> None:
    """What is left of the manual's text when all that the table says is taken out is no sentence."""
    left = " ".join(re.sub(r"```.*?```", " ", MANUAL.read_text(), flags=re.DOTALL).split())
    parts = {part for _, says, _ in rows() for part in re.split(r" ?\[\w+\] |(?<=:) ", says) if len(part) > 8}
    for part in sorted(parts, key=len, reverse=True):
        left = left.replace(part, " ")
    assert re.findall(r"\w[^.|#]{40,}\.", left) == []


@pytest.mark.parametrize("name", ["nothing.py::test_a", "test_known_flaws.py::test_of_nothing"])
def test_a_test_that_is_not_there_is_found(name: str) -> None:
    assert not _is_there(name)


def _differences() -> set[str]:
    """The first cells of all rows that have three filled ones."""
    lines = [line.strip("|").split(" | ") for line in DIFFERENCES.read_text().splitlines() if line.startswith("| ")]
    return {cells[0].strip() for cells in lines if len(cells) == 3 and all(cell.strip() for cell in cells)}


def _is_there(name: str) -> bool:
    file, *names = name.split("::")
    return (TESTS / file).is_file() and tuple(names) in _tests_of(file)


@cache
def _tests_of(file: str) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for node in ast.parse((TESTS / file).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add((node.name,))
        if isinstance(node, ast.ClassDef):
            found |= {(node.name, one.name) for one in node.body if isinstance(one, ast.FunctionDef)}
    return found
