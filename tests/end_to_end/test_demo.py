"""`make demo` in a fresh clone: by an ordinary user, and by root where its account may not look."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.accounts import throw_away_account
from support.local import Home, new_home, processes_below, wait_for
from support.processes import as_account

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).parents[2]
MEAN = 132.178
"""Of the column `systolic` over the three files in examples/data together: 9649 over 73 patients."""


@pytest.fixture(params=["user", pytest.param("root", marks=[pytest.mark.root, pytest.mark.soak])])
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """The home of an ordinary user, and one that root uses."""
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("needs to be run as root")
        with new_home() as made:
            yield made
    else:
        with throw_away_account() as account, new_home(account) as made:
            yield made


def fresh_clone(home: Home) -> Path:
    """What is committed, as its owner would clone it. Root's lies in a folder that nobody else may enter."""
    above = home.folder / "closed"
    above.mkdir(mode=0o700)
    clone = above / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    home.give()
    return clone


def make(home: Home, clone: Path, target: str) -> "subprocess.CompletedProcess[str]":
    # How this machine finds its package index is not ours to know.
    pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    return subprocess.run(
        ["make", target], cwd=clone, env=home.variables | pip, capture_output=True, text=True, check=False,
        timeout=800, stdin=subprocess.DEVNULL, **as_account(home.account),
    )  # fmt: skip


def vserver(home: Home, clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [clone / ".venv/bin/vserver", *arguments], cwd="/" if home.account is None else clone, env=home.variables,
        capture_output=True, text=True, check=False, timeout=300, **as_account(home.account),
    )  # fmt: skip


def test_make_demo_in_a_fresh_clone_computes_a_federated_mean_and_may_be_repeated(home: Home) -> None:
    assert shutil.which("make") and shutil.which("git")
    clone = fresh_clone(home)
    first = make(home, clone, "demo")
    assert first.returncode == 0, first.stdout + first.stderr
    assert mean_in(first.stdout) == MEAN
    wait_for(
        lambda: re.search(r"^demo .*Running .*User", vserver(home, clone, "list").stdout, re.MULTILINE) is not None
    )

    again = make(home, clone, "demo")
    assert again.returncode == 0, again.stdout + again.stderr
    assert mean_in(again.stdout) == MEAN

    stopped = vserver(home, clone, "stop", "-n", "demo", "--user")
    assert stopped.returncode == 0, stopped.stderr
    assert not processes_below(home.folder)


def mean_in(output: str) -> float:
    found = re.search(r"federated mean: ([0-9.]+)", output)
    assert found, output
    return float(found.group(1))
