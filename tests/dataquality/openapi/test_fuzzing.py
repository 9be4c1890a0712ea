"""schemathesis against a started stack, through its gateway: one seed, and counts instead of times."""

import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.fuzzed import Run, Stack, fuzz

CONFIG = Path(__file__).parent / "schemathesis.toml"
REACHED = ("create_task", "list_results_of_task", "get_result")
"""Operations that succeed only with what others made: the links lead there (test_links.py follows each of them)."""


def assert_clean(run: Run) -> None:
    assert run.returncode == 0, run.output
    assert run.tally, "the run told nothing"
    assert not [answered for answered in run.tally if answered.split()[1] >= "500"]


def assert_reached(run: Run) -> None:
    assert {name: run.successes(name) for name in REACHED if not run.successes(name)} == {}, run.output[-3000:]


def test_a_short_run_finds_nothing(stack: Stack) -> None:
    assert_clean(fuzz(stack, CONFIG, "--max-examples=3", "--phases=examples,fuzzing,stateful"))


@pytest.mark.soak
def test_a_long_run_finds_nothing_and_reaches_tasks_and_results(stack: Stack) -> None:
    run = fuzz(stack, CONFIG, "--max-examples=200")
    assert_clean(run)
    assert_reached(run)


def test_only_what_the_description_tells_of_may_be_refused(stack: Stack) -> None:
    document = httpx.get(f"{stack.url}/api/openapi.json", trust_env=False, timeout=30).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    refused = {one["operationId"] for one in operations if "refused" in codes(one["responses"].get("400"))}
    open_to_all = [one for one in operations if not one["security"]]
    mailed = {one["operationId"] for one in open_to_all if "invalid_token" in codes(one["responses"].get("422"))}
    assert (accepted("400"), accepted("422")) == (refused, mailed)


def codes(answer: Any) -> list[str]:
    return answer["content"]["application/json"]["schema"]["properties"]["code"]["enum"] if answer else []


def accepted(status: str) -> set[str]:
    """The operations for which a well-formed request may be answered so."""
    lists = tomllib.loads(CONFIG.read_text())["operations"]
    return {
        name
        for one in lists
        if status in one["checks"]["positive_data_acceptance"]["expected-statuses"]
        for name in one["include-operation-id"]
    }
