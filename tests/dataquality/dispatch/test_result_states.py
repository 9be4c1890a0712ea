"""Whatever a node sends, and in whatever order: a result keeps to the rules of the contract."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataquality.dispatch.states import TRANSITIONS, steps
from dataquality.model import ResultStatus
from support.collaborations import World

OPEN = ("pending", "initializing", "active")
FAILED = ("failed", "start failed", "non-existing Docker image", "crashed", "killed by user", "not allowed",
          "unknown error")  # fmt: skip
FINAL = ("completed", *FAILED)
TIMES = ("2026-11-23T10:00:00+00:00", "2026-11-23T11:00:00+00:00")
patches = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from((*OPEN, *FINAL)),
        "started_at": st.sampled_from(TIMES),
        "finished_at": st.sampled_from(TIMES),
        "result": st.sampled_from(("r", "s")),
        "log": st.sampled_from(("l", "m")),
    },
)


def rank(status: str) -> int:
    return OPEN.index(status) if status in OPEN else len(OPEN)


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    times = {key: result[key] and result[key].replace(".000000", "") for key in ("started_at", "finished_at")}
    return {key: result[key] for key in ("status", "result", "log")} | times


def expected_status(before: dict[str, Any], patch: dict[str, Any]) -> str:
    """The contract: what the node sends; else by the times; a failure that was told stays."""
    if "status" in patch:
        return patch["status"]
    if "finished_at" in patch:
        return before["status"] if before["status"] in FINAL else "completed"
    return "active" if "started_at" in patch and before["status"] in OPEN else before["status"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(patches, min_size=1, max_size=6))
def test_a_result_goes_forward_only_and_ends_once(common_world: World, sent: list[dict[str, Any]]):
    goes_forward_only(common_world, sent)


@pytest.mark.soak
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(patches, min_size=1, max_size=8))
def test_a_result_does_so_however_long_it_is_tried(common_world: World, sent: list[dict[str, Any]]):
    goes_forward_only(common_world, sent)


def goes_forward_only(world: World, sent: list[dict[str, Any]]) -> None:
    site = world.sites[0]
    [result] = world.ask(site)["results"]
    path = f"/result/{result['id']}"
    before = comparable(site.api.get(path).json())
    for patch in sent:
        answer = site.api.patch(path, json=patch)
        after = comparable(site.api.get(path).json())
        says_nothing_new = all(before[key] == value for key, value in patch.items())
        assert answer.status_code in (200, 400)
        if answer.status_code == 400:
            assert after == before
            assert not says_nothing_new
            contradiction = patch.get("status") in OPEN and "finished_at" in patch
            backwards = "status" in patch and rank(patch["status"]) < rank(before["status"])
            other_end = before["status"] in FINAL and patch.get("status") not in (None, before["status"])
            assert before["finished_at"] or contradiction or backwards or other_end
        elif says_nothing_new or before["finished_at"]:
            assert after == before
            assert says_nothing_new
        else:
            assert after == before | patch | {"status": expected_status(before, patch)}
            assert rank(after["status"]) >= rank(before["status"])
        before = after


@given(st.sampled_from(ResultStatus), st.booleans(), st.booleans(), st.none() | st.sampled_from(ResultStatus))
def test_no_step_leads_out_of_an_end(source: ResultStatus, starts: bool, finishes: bool, wanted: ResultStatus | None):
    target = steps(wanted, starts=starts, finishes=finishes).get(source)
    if target is not None:
        assert rank(target.value) >= rank(source.value)
        assert target in TRANSITIONS[source]
        assert not (source is ResultStatus.COMPLETED and target is not ResultStatus.COMPLETED)
