"""The table of the Application Security Verification Standard is whole, and names tests that are there."""

import re
from pathlib import Path

import pytest

from support.named_tests import REFERENCE, missing

_PAGE = Path(__file__).parents[2] / "docs" / "security.md"
# Of level 1 in version 5.0.0 of the standard, by section: how many there are and which.
_LEVEL_1 = {
    "1.2": (1, 2, 3, 4, 5), "1.3": (1, 2), "1.5": (1,), "2.1": (1,), "2.2": (1, 2), "2.3": (1,), "3.2": (1, 2),
    "3.3": (1,), "3.4": (1, 2), "3.5": (1, 2, 3), "4.1": (1,), "4.4": (1,), "5.2": (1, 2), "5.3": (1, 2), "6.1": (1,),
    "6.2": (1, 2, 3, 4, 5, 6, 7, 8), "6.3": (1, 2), "6.4": (1, 2), "7.2": (1, 2, 3, 4), "7.4": (1, 2), "8.1": (1,),
    "8.2": (1, 2), "8.3": (1,), "9.1": (1, 2, 3), "9.2": (1,), "10.4": (1, 2, 3, 4, 5), "11.3": (1, 2), "11.4": (1,),
    "12.1": (1,), "12.2": (1, 2), "13.4": (1,), "14.2": (1,), "14.3": (1,), "15.1": (1,), "15.2": (1,), "15.3": (1,),
}  # fmt: skip
_REQUIREMENTS = {f"{section}.{number}" for section, numbers in _LEVEL_1.items() for number in numbers}
_ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \|", re.MULTILINE)


def table() -> str:
    """The section of the page."""
    return _PAGE.read_text().partition("## OWASP ASVS")[2]


def rows() -> list[list[str]]:
    """The cells of each row: requirement, what it asks, here, by what or why."""
    lines = [line for line in table().splitlines() if _ROW.match(line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def not_applying() -> set[str]:
    """Those that the last paragraph names, ranges as well."""
    text = table().partition("Of level 1 these do not apply")[2]
    found = set(re.findall(r"\d+\.\d+\.\d+", text))
    for section, first, last in re.findall(r"(\d+\.\d+)\.(\d+) to \1\.(\d+)", text):
        found |= {f"{section}.{number}" for number in range(int(first), int(last) + 1)}
    return found


def test_every_requirement_of_level_1_is_in_the_table_or_does_not_apply() -> None:
    named = [row[0] for row in rows()]
    assert len(named) == len(set(named))
    assert not set(named) & not_applying()
    assert set(named) | not_applying() == _REQUIREMENTS


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_requirement_that_is_met_names_its_test_and_another_says_why_not(row: list[str]) -> None:
    _, asked, here, why = row
    assert asked
    assert here in {"met", "not met", "not ours"}
    references = REFERENCE.findall(why)
    assert missing(references) == []
    assert references if here == "met" else len(why) > 20
