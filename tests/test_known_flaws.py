"""The table of the older server's flaws is whole, and every test that it names is there."""

import re
from pathlib import Path

import pytest

from support.named_tests import REFERENCE, missing

_ROOT = Path(__file__).parents[1]
_TABLE = _ROOT / "tests" / "known-flaws.md"
_NUMBERS = [*(f"S{n}" for n in range(1, 22)), *(f"R{n}" for n in range(1, 23)), *(f"P{n}" for n in range(1, 11))]


def rows() -> list[list[str]]:
    """The cells of each row: number, flaw, what we do, tests."""
    lines = [line for line in _TABLE.read_text().splitlines() if re.match(r"\| [SRP]\d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_known_flaw_has_its_row() -> None:
    assert [row[0] for row in rows()] == _NUMBERS
    assert all(len(row) == 4 and all(row) for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_tests_that_a_row_names_are_there(row: list[str]) -> None:
    references = REFERENCE.findall(row[3])
    assert references
    assert missing(references) == []
    # What is open says whose it is.
    assert row[2].lower().count("open:") == len(re.findall(r"open: issue \d", row[2].lower()))
