"""The README's block for a site without internet, run as it is written: what it installs starts a server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import require_engine
from support.local import new_home
from support.pages import Block, blocks_of
from support.processes import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]


def block_of_make_dist() -> Block:
    [found] = [block for block in blocks_of(ROOT / "README.md") if block.text.startswith("make dist\n")]
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout beside this one, which is set up already (with the environment of this one)."""
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    (folder / ".venv").symlink_to(sys.prefix)
    for asked in ("requirements/dev.lock", "pyproject.toml", "tools/find-python"):
        os.utime(folder / asked, (0, 0))
    yield folder
    # The images alone are more than a gigabyte.
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_what_make_dist_makes_is_installed_without_an_index_and_starts_a_server(checkout: Path) -> None:
    require_engine()
    with new_home() as home:
        # The reader's Python is the one that the wheels are made for.
        variables = home.variables | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

        def said(*command: str) -> str:
            done = subprocess.run(
                command,
                cwd=checkout,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        said("bash", "-e", "-c", block_of_make_dist().text)
        name, vserver = home.configure(f"ip: 127.0.0.1\nport: {free_port()}"), str(checkout / "dataquality/bin/vserver")
        try:
            started = json.loads(said(vserver, "start", "-n", name, "--user", "--driver", "local", "--json"))["data"]
            assert started["state"] == "running"
        finally:
            said(vserver, "stop", "-n", name, "--user")
