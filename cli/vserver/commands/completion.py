"""Shell completion: the options `--install-completion` and `--show-completion` of `vserver` itself."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vserver.errors import CommandError, ExitCode

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_VSERVER_COMPLETE"
_MARK = "# vserver's completion"


def answer_shells() -> None:
    """Make Typer answer a shell that asks what may come next, if one does: it sets our variable."""
    if _VARIABLE in os.environ:
        from typer.completion import completion_init  # pyright: ignore[reportPrivateImportUsage]

        completion_init()


def _show(wanted: bool) -> None:
    if wanted:
        typer.echo(_script(_shell()))
        raise typer.Exit


def _install(wanted: bool) -> None:
    if wanted:
        shell = _shell()
        for line in _installed(shell):
            typer.echo(line)
        raise typer.Exit


Install = Annotated[
    bool,
    typer.Option(
        "--install-completion", callback=_install, is_eager=True, help="Have your shell complete commands and names."
    ),
]
Show = Annotated[
    bool,
    typer.Option(
        "--show-completion", callback=_show, is_eager=True, help="Show what that would install, to do it by hand."
    ),
]


def _shell() -> str:
    """The shell that the command was called from, or else the one that the account logs in to."""
    import psutil

    above = [parent.name().lstrip("-") for parent in psutil.Process().parents()]
    login = Path(os.environ.get("SHELL", "")).name
    shell = next((name for name in (*above, login) if name in _SHELLS), None)
    if shell is None:
        raise CommandError(
            f"there is no completion for this shell ({login or 'unknown'})",
            f"Call it from one of {', '.join(_SHELLS)}, or name yours: `SHELL=/bin/bash vserver --show-completion`.",
            ExitCode.USAGE,
        )
    return shell


def _script(shell: str) -> str:
    from typer.completion import get_completion_script  # pyright: ignore[reportPrivateImportUsage]

    return get_completion_script(prog_name="vserver", complete_var=_VARIABLE, shell=shell)


def _installed(shell: str) -> list[str]:
    """Write the script where the shell finds it, and once into the shell's own file where it must be told."""
    from vserver.config.folders import user_folder

    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() fails where there is none
    own = user_folder("XDG_DATA_HOME", home / ".local" / "share") / "dataquality" / "completion"
    if shell == "fish":
        script, told = user_folder("XDG_CONFIG_HOME", home / ".config") / "fish" / "completions" / "vserver.fish", None
    elif shell == "zsh":
        script, told = own / "_vserver", home / ".zshrc"
    else:
        script, told = own / "vserver.bash", home / ".bashrc"
    _write(script, _script(shell) + "\n")
    if told is not None:
        _tell(told, _line(shell, script))
    return [f"Written: {script}.", f"It takes effect in the next {shell}."]


def _line(shell: str, script: Path) -> str:
    import shlex

    if shell == "bash":
        return f"source {shlex.quote(str(script))}"
    return f"fpath+=({shlex.quote(str(script.parent))}); autoload -Uz compinit; compinit"


def _tell(file: Path, line: str) -> None:
    """One line in the shell's own file, the same however often it is asked for."""
    text = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    kept = [known for known in text.splitlines(keepends=True) if not known.rstrip().endswith(_MARK)]
    before = "".join(kept)
    ending = "" if not before or before.endswith("\n") else "\n"
    wanted = f"{before}{ending}{line}  {_MARK}\n"
    if wanted != text:
        _write(file, wanted)


def _write(path: Path, text: str) -> None:
    """Whole or not at all; a link is followed, and the mode of what was there stays."""
    import tempfile

    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    Path(aside).chmod(mode)
    Path(aside).replace(path)
