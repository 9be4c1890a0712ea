"""The tests that a page of ours names."""

import ast
import re
from functools import cache
from pathlib import Path

_TESTS = Path(__file__).parents[1]
REFERENCE = re.compile(r"`([\w/.-]+\.py)::([\w:]+)`")
"""`path below tests/`::`name`."""


def missing(references: list[tuple[str, str]]) -> list[str]:
    """Those that name no test."""
    return [f"{path}::{name}" for path, name in references if name not in _named_in(path)]


@cache
def _named_in(path: str) -> set[str]:
    """The names of the tests in a file below `tests/`, with their class."""
    file = _TESTS / path
    if not file.exists():
        return set()
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            members = [member for member in node.body if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)]
            names |= {f"{node.name}::{member.name}" for member in members}
    return {name for name in names if name.rpartition(":")[2].startswith("test_")}
