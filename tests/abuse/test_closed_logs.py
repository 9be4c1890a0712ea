"""Nobody but the instance's account reads what a component wrote."""

import stat
from pathlib import Path

from support.abuse.stack import AttackedStack


def modes_of_logs(stack: AttackedStack) -> dict[str, str]:
    logs: list[Path] = [path for path in stack.home.folder.rglob("*.log") if path.is_file()]
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in logs}


def test_log_of_a_job_is_as_closed_as_those_of_services(stack: AttackedStack) -> None:
    found = modes_of_logs(stack)
    of_components = {name: mode for name, mode in found.items() if stack.started["instance"] in name}
    assert any("-migrate.log" in name for name in of_components)
    assert set(of_components.values()) == {"0o600"}, of_components


def test_no_log_is_open_to_other_accounts(stack: AttackedStack) -> None:
    found = modes_of_logs(stack)
    assert [name for name, mode in found.items() if int(mode, 8) & 0o007] == []
