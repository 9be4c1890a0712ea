"""A federated mean: each node sums its own column, and only the sum and the count leave it."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

IMAGE = "example.org/federated-mean:1"


@dataclass(frozen=True)
class Partial:
    """What one node answers: the sum of a column and how many rows it has."""

    sum: float
    count: int


def partial(file: Path, column: str) -> Partial:
    """The part of one node. Raises KeyError when the file has no such column."""
    with file.open(newline="", encoding="utf-8") as rows:
        values = [float(row[column]) for row in csv.DictReader(rows)]
    return Partial(sum(values), len(values))


def combine(partials: list[Partial]) -> float:
    """The mean over all nodes."""
    return sum(part.sum for part in partials) / sum(part.count for part in partials)


def run(file: Path, task_input: dict[str, Any]) -> dict[str, Any]:
    """What an algorithm container would do with its input: `{"column": "age"}`."""
    return asdict(partial(file, task_input["column"]))
