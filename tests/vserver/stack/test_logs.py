"""Lines of logs: what was written when, what is shown first, and what is not lost when a log is rotated."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vserver.stack.logs import LogsWanted, component_in, stamp_of
from vserver.stack.tail import follow

NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-31 12:00:00 - auth           - INFO     - a message",
        "2026-01-31 12:00:00.123 UTC [12] LOG:  database system is ready",
        "2026-01-31T13:00:00.5+01:00 something",
        '{"timestamp": "2026-01-31T12:00:00Z", "event": "x"}',
        "123:M 31 Jan 2026 12:00:00.123 * Ready to accept connections",
        "2026/01/31 12:00:00.791	INFO	server running",
        '{"level":"info","ts":1769860800.25,"msg":"serving"}',
    ],
)
def test_each_part_says_in_its_own_way_when_a_line_was_written(line: str) -> None:
    assert stamp_of(line) == NOON


@pytest.mark.parametrize("line", ["", "no time", "2026-99-31 12:00:00", '{"ts":99999999999999999999}'])
def test_a_line_may_not_say_it(line: str) -> None:
    assert stamp_of(line) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("x request_id=1 component=auth", "auth"),
        ('{"event": "x", "component": "dispatch-2"}', "dispatch-2"),
        ("said component=auth of component=beat", "beat"),
        ("x component=redis", None),
        ("nothing", None),
    ],
)
def test_a_line_of_the_shared_file_names_its_component(line: str, name: str | None) -> None:
    assert component_in(line, ("auth", "beat", "dispatch-2")) == name


def seen(files: dict[str, Path], wanted: LogsWanted) -> list[str]:
    return [line for _, line in follow(files, wanted, lambda: False, look=0)]


def test_what_was_written_since_then_is_shown_with_the_lines_that_belong_to_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2026-01-31 11:59:59 old\n  its trace\n2026-01-31 12:00:00 new\n  its trace\n")
    assert seen({"a": log}, LogsWanted(("a",), NOON, None)) == ["2026-01-31 12:00:00 new", "  its trace"]
    assert seen({"a": log}, LogsWanted(("a",), NOON, 1)) == ["  its trace"]


def test_what_was_rotated_away_is_shown_where_it_is_wanted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2026-01-31 12:03:00 three\n")
    for number, name in ((1, "two"), (2, "one")):
        (tmp_path / f"log.{number}").write_text(f"2026-01-31 12:0{3 - number}:00 {name}\n")
    old = tmp_path / "log.3"
    old.write_text("2026-01-31 12:00:00 of a file that was last written before\n")
    before = (NOON - timedelta(hours=1)).timestamp()
    os.utime(old, (before, before))
    words = [line.split()[-1] for line in seen({"a": log}, LogsWanted(("a",), NOON, None))]
    assert words == ["one", "two", "three"]
    assert len(seen({"a": log}, LogsWanted(("a",), None, 2))) == 2


def test_no_line_is_lost_or_told_twice_while_a_log_is_rotated_again_and_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("")
    rounds = iter(range(4))

    def goes_on() -> bool:
        number = next(rounds)
        with log.open("a") as file:
            file.write(f"{number} before\n{number} half ")
        log.rename(tmp_path / f"log.{number}.old")
        log.write_text(f"of it\n{number} after\n")
        return number < 3

    lines = [line for _, line in follow({"a": log}, LogsWanted(("a",), None, 0), goes_on, look=0)]
    assert lines == [f"{number} {what}" for number in range(4) for what in ("before", "half of it", "after")]


def test_a_log_that_is_cut_off_or_comes_later_is_followed(tmp_path: Path) -> None:
    log, late = tmp_path / "log", tmp_path / "late"
    log.write_text("a long line that was there\n")
    rounds = iter([True, False])

    def goes_on() -> bool:
        log.write_text("short\n")
        late.write_text("late\n")
        return next(rounds)

    lines = list(follow({"a": log, "b": late}, LogsWanted(("a", "b"), None, 0), goes_on, look=0))
    assert lines == [("a", "short"), ("b", "late")]
