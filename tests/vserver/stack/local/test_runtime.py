"""Root's installation in a folder that no other account may enter: the stack runs from a copy of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import dataquality
import vserver
from support.local import Home, accounts_below, processes_below, silent, words_below
from support.processes import free_port
from vserver.account import HOME, Account, find_account
from vserver.stack.local import runtime_copy
from vserver.stack.local.runtime import runtime_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root's installations are copied"),
]
COPIES = HOME / "runtime"


@pytest.fixture
def closed_python(home: Home) -> Iterator[Path]:
    """An installation of its own, below a folder that is closed to all others. Copies of it are removed afterwards."""
    before = set(COPIES.glob("*"))
    closed = home.folder / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    subprocess.run(["cp", "-al", sys.prefix, str(closed / "venv")], check=True)
    (packages,) = (closed / "venv").glob("lib/python*/site-packages")
    for package in (dataquality, vserver):
        shutil.copytree(Path(str(package.__file__)).parent, packages / package.__name__, dirs_exist_ok=True)
    (packages / "_dataquality_server.pth").unlink(missing_ok=True)
    yield closed / "venv" / "bin" / "python"
    for copy in set(COPIES.glob("*")) - before:
        shutil.rmtree(copy)


def test_a_stack_from_a_closed_installation_runs_from_a_copy_that_only_root_can_change(
    home: Home, closed_python: Path
) -> None:
    name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///server.sqlite")
    done = home.vserver("start", "-n", name, "--user", "--driver", "local", python=closed_python)
    assert done.returncode == 0, done.stderr
    assert "laying out the programs in" in done.stderr
    assert 0 not in accounts_below(home.folder)
    assert len(processes_below(home.folder)) >= 7
    words = [word.split()[0] for word in words_below(home.folder) if word.startswith(str(COPIES))]
    programs = {Path(word) for word in words}
    assert {path.name for path in programs} >= {"python", "caddy", "valkey-server"}
    (copy,) = {COPIES / path.relative_to(COPIES).parts[0] for path in programs}
    for path in (copy, *copy.rglob("*")):
        status = path.lstat()
        assert status.st_uid == 0, path
        assert path.is_symlink() or not status.st_mode & 0o022, path
    assert (home.folder / "closed").stat().st_mode & 0o777 == 0o700

    stopped = home.vserver("stop", "-n", name, "--user", python=closed_python)
    assert stopped.returncode == 0, stopped.stderr
    assert processes_below(home.folder) == []
    # A job of a stopped stack is laid out as a start is, and takes less.
    before = copy.stat()
    again = home.vserver("export", "-n", name, "--user", python=closed_python)
    assert again.returncode == 0, again.stderr
    assert "name: root" in again.stdout
    assert "laying out" not in again.stderr
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_reachable_installation_is_used_as_it_is() -> None:
    nobody = find_account("nobody")
    assert isinstance(nobody, Account)
    assert runtime_for(nobody, silent).python == Path(sys.executable)


def test_a_copy_changes_its_name_with_what_is_installed_and_brings_its_base_along(tmp_path: Path) -> None:
    base = Path(sys.base_prefix)
    packages, own, caddy = tmp_path / "site-packages", tmp_path / "own", tmp_path / "caddy"
    for folder in (packages, own):
        folder.mkdir()
    (packages / "other.py").write_text("x = 1")
    (packages / "editable.pth").write_text(str(tmp_path))
    (packages / "harmless.pth").write_text("import os")
    (own / "__init__.py").write_text("")
    (own / "private.py").write_text("y = 1")
    (own / "private.py").chmod(0o600)
    caddy.write_text("#!/bin/sh")
    caddy.chmod(0o755)
    fake_base = tmp_path / "base"
    (fake_base / Path(sys.executable).resolve().relative_to(base)).parent.mkdir(parents=True)
    shutil.copy2(Path(sys.executable).resolve(), fake_base / Path(sys.executable).resolve().relative_to(base))
    parts = runtime_copy.Parts((packages,), (own,), caddy, None)
    root = tmp_path / "copies" / "runtime"
    root.parent.mkdir()
    first = runtime_copy.laid_out(parts, root, silent)
    assert runtime_copy.laid_out(parts, root, silent) == first
    assert sorted(path.name for path in runtime_copy.site_folder(first).iterdir()) == [
        "harmless.pth",
        "other.py",
        "own",
    ]
    assert (runtime_copy.site_folder(first) / "own" / "private.py").stat().st_mode & 0o777 == 0o644
    assert (own / "private.py").stat().st_mode & 0o777 == 0o600

    (own / "private.py").write_text("y = 22")
    second = runtime_copy.laid_out(parts, root, silent)
    assert second != first
    runtime_copy.remove_others(root, second)
    assert [path.name for path in root.iterdir()] == [second.name]


def test_a_copy_from_which_something_runs_is_kept(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    program = old / "sleep"
    shutil.copy2("/bin/sleep", program)
    process = psutil.Popen([str(program), "60"])
    try:
        runtime_copy.remove_others(tmp_path, new)
        assert old.exists()
    finally:
        process.kill()
        process.wait()
    runtime_copy.remove_others(tmp_path, new)
    assert not old.exists()
