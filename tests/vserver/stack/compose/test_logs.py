"""The logs of containers, with a real engine: told by component, from a time on, and from the file where it is all."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.compose import configuration, require_engine, torn_down
from vserver.stack.compose.document import REDIS_IMAGE
from vserver.stack.compose.driver import ComposeDriver
from vserver.stack.compose.files import Files
from vserver.stack.logs import LogsWanted

pytestmark = pytest.mark.docker

_SERVICE = """
  {name}:
    image: {image}
    network_mode: none
    entrypoint: ["sh", "-c", "i=0; while true; do i=$$((i+1)); echo '{name} says | '$$i; sleep 0.2; done"]
"""


class Enough(Exception):
    """The test has seen what it wanted."""


def up(driver: ComposeDriver) -> None:
    files = Files(driver.instance)
    files.make_folders()
    services = "".join(_SERVICE.format(name=name, image=REDIS_IMAGE) for name in ("auth", "dispatch", "dispatch-2"))
    files.project.file.write_text(f"services:{services}")
    command = ["docker", "compose", "-p", files.project.name, "-f", str(files.project.file), "up", "-d"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def lines_of(driver: ComposeDriver, wanted: LogsWanted, count: int) -> list[tuple[str, str]]:
    """The first lines that are told: so many, and more where one of the parts comes late (but not for ever)."""
    lines: list[tuple[str, str]] = []

    def on_line(name: str, line: str) -> None:
        lines.append((name, line))
        have_all_come = {part for part, _ in lines} >= set(wanted.components)
        if len(lines) >= (count if have_all_come else 100 * count):
            raise Enough

    with pytest.raises(Enough):
        driver.follow_logs(wanted, on_line)
    return lines


def test_lines_come_with_the_component_that_wrote_them(tmp_path: Path) -> None:
    require_engine()
    with torn_down(configuration(tmp_path)) as driver:
        up(driver)
        lines = lines_of(driver, LogsWanted(("auth", "dispatch-2"), None, 2), 30)
        assert {name for name, _ in lines} == {"auth", "dispatch-2"}
        assert all(line.startswith(f"{name} says | ") for name, line in lines)
        later = LogsWanted(("auth",), datetime.now(UTC) - timedelta(seconds=1), None)
        assert lines_of(driver, later, 3)[0][1] != "auth says | 1"


def test_where_nothing_goes_to_the_console_the_log_file_is_shown(tmp_path: Path) -> None:
    require_engine()
    keys = f"logging:\n  use_console: false\ndirectories:\n  data: {tmp_path}/data\n  log: {tmp_path}/log"
    with torn_down(configuration(tmp_path, keys)) as driver:
        up(driver)
        log = Files(driver.instance).log / driver.instance.log_file.name
        log.write_text("of a job component=dispatch\nof entity component=entity\n")
        seen: list[tuple[str, str]] = []

        def on_line(name: str, line: str) -> None:
            seen.append((name, line))
            if (name == "worker" and len(seen) > 1) or len(seen) > 100:
                raise Enough

        with pytest.raises(Enough):
            driver.follow_logs(LogsWanted(("auth", "dispatch"), None, None), on_line)
        assert not [line for _, line in seen if "entity" in line]
