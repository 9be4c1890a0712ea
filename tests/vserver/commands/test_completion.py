"""Shell completion: asked for by a real bash, and as zsh and fish ask; installed without harm."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.local import Home, new_home

COMMAND = Path(sys.executable).parent


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as made:
        for name in ("hospital", "hospice", "registry"):
            made.configure("port: 5000", name=name)
        system = made.folder / "etc" / "dataquality" / "server"
        system.mkdir(parents=True)
        (system / "of-all.yaml").write_text("application: {port: 5000}\n")
        yield made


def shell(home: Home, script: str, program: str = "bash", **more: str) -> str:
    variables = home.variables | {"PATH": f"{COMMAND}:{os.environ['PATH']}", "SHELL": f"/bin/{program}"} | more
    options = ["--norc", "--noprofile"] if program == "bash" else []
    done = subprocess.run(
        [program, *options, "-c", script], capture_output=True, text=True, env=variables, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def completed(home: Home, *words: str) -> list[str]:
    """What a real bash is told by the script that is shown, for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    return shell(
        home,
        'eval "$(vserver --show-completion)"\n'
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        "complete -p vserver >/dev/null && _vserver_completion vserver\n"
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ).split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["vserver", "sta"], ["start", "status"]),
        (["vserver", "start", "--user", "--name", "hos"], ["hospice", "hospital"]),
        (["vserver", "start", "--user", "-n", ""], ["hospice", "hospital", "registry"]),
        (["vserver", "stop", "-n", ""], ["of-all"]),
        (["vserver", "start", "-e", ""], ["application", "prod", "acc", "test", "dev"]),
        (["vserver", "new", "-e", "a"], ["application", "acc"]),
        (["vserver", "attach", "--service", "d"], ["dispatch"]),
        (["vserver", "start", "--driver", "l"], ["local"]),
        (["vserver", "attach", "--si"], ["--since"]),
    ],
)
def test_bash_completes_commands_options_names_environments_and_parts(
    home: Home, words: list[str], expected: list[str]
) -> None:
    assert completed(home, *words) == expected


def test_zsh_and_fish_get_their_answers_in_their_own_form(home: Home) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": "vserver start --user -n hospit"}
    zsh = shell(home, "vserver", _VSERVER_COMPLETE="complete_zsh", **asked)
    assert zsh == "_arguments '*: :((\"hospital\"))'\n"
    fish = shell(home, "vserver", _VSERVER_COMPLETE="complete_fish", _TYPER_COMPLETE_FISH_ACTION="get-args", **asked)
    assert fish == "hospital\n"


def test_completing_loads_nothing_heavy(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vserver"], capture_output=True, text=True, check=True,
        env=home.variables | {"_VSERVER_COMPLETE": "complete_bash", "COMP_WORDS": "vserver start --user -n ho",
                              "COMP_CWORD": "4"},
    )  # fmt: skip
    assert done.stdout.split() == ["hospice", "hospital"]
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"yaml", "rich", "questionary", "psutil", "python_on_whales", "sqlalchemy"}


@pytest.mark.parametrize(
    ("program", "script", "told"),
    [
        ("bash", "data/dataquality/completion/vserver.bash", ".bashrc"),
        ("zsh", "data/dataquality/completion/_vserver", ".zshrc"),
        ("fish", "config/fish/completions/vserver.fish", None),
    ],
)
def test_installing_twice_changes_as_little_as_installing_once(program: str, script: str, told: str | None) -> None:
    with new_home() as home:
        # Started by no shell of its own, it goes by the one that the account logs in to.
        words = [shutil.which("env"), f"SHELL=/bin/{program}", sys.executable, "-c", _DETACHED]
        own = home.folder / (told or ".none")
        own.write_text("alias x=y")
        for _ in range(2):
            subprocess.run([str(word) for word in words], env=home.variables, check=True, timeout=120)
        assert "_VSERVER_COMPLETE" in (home.folder / script).read_text()
        lines = own.read_text().splitlines()
        assert lines[0] == "alias x=y"
        assert len(lines) == (1 if told is None else 2)
        if program == "bash":
            interactive = shell(home, f"source {own}; complete -p vserver")
            assert "_vserver_completion" in interactive


_DETACHED = """
import subprocess, sys, psutil
from unittest import mock
with mock.patch.object(psutil.Process, "parents", lambda self: []):
    from vserver.main import run
    sys.exit(run(["--install-completion"]))
"""


def test_another_shell_is_told_what_to_do(home: Home) -> None:
    script = _DETACHED.replace("--install-completion", "--show-completion")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env=home.variables | {"SHELL": "/bin/tcsh"},
    )  # fmt: skip
    assert done.returncode == 4
    assert "there is no completion for this shell (tcsh)" in done.stderr
    assert "bash, zsh, fish" in done.stderr
