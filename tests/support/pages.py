"""The documentation as its reader tries it: the blocks of a page, and what runs them."""

import json
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import typer.main

from support.clients import python_of
from support.local import Home
from support.processes import as_account
from vserver.main import build_app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = {"bash", "python", "yaml"}
SHOWN = {"text", "json"}
"""Blocks that only show something: they are no code."""
CLIENT = "3.11.1"
_SECONDS = 300
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (not run|file|run): (.+?) -->\n\Z")
_INLINE = re.compile(r"`+([^`]+)`+")


@dataclass(frozen=True)
class Block:
    """A fenced block. The mark on the line above it says what is special: `not run`, `file` or `run`."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def place(self) -> str:
        """Page and line, as editors take them."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, found) for found in _FENCE.finditer(text)]


def alive_on(page: Path) -> list[Block]:
    """The blocks of a page that are meant to be run, in order."""
    return [block for block in blocks_of(page) if block.language in RUN and "not run" not in block.marks]


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    before = text[: found.start()]
    mark = _MARK.search(before)
    marks = {mark.group(1): mark.group(2)} if mark else {}
    return Block(page, before.count("\n") + 1, found.group(2), textwrap.dedent(found.group(3)), marks)


def commands_in_prose(page: Path) -> Iterator[str]:
    """What stands in the text as a command of ours: `vserver start`."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in _INLINE.finditer(text):
        words = " ".join(found.group(1).split())
        if words.startswith("vserver "):
            yield words


def flaws(text: str) -> list[str]:
    """What is wrong with the `vserver` commands in some lines of shell: commands and options that do not exist."""
    lines = text.replace("\\\n", " ").splitlines()
    return [flaw for line in lines if "vserver " in line for words in _commands(line) for flaw in _flaws(words)]


def _commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a line."""
    words: list[str] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for word in lexer:
        if set(word) <= set(";|&"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


@cache
def _whole_command() -> Any:
    return typer.main.get_command(build_app())


def _flaws(words: list[str]) -> list[str]:
    if words[:1] != ["vserver"]:
        return []
    command, rest = _whole_command(), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return [f"{' '.join(words)}: there is no command {rest[0]}"]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    options = {word.partition("=")[0] for word in rest if re.match(r"-{1,2}[A-Za-z]", word)}
    return [f"{' '.join(words)}: there is no option {option}" for option in sorted(options - known)]


class Reader:
    """Runs blocks in order, as somebody would who has a home of their own and reads page after page.

    The pages' ports may be taken on this machine, so others stand in their place.
    """

    def __init__(self, home: Home, ports: dict[str, int]) -> None:
        self.home = home
        self.folder = home.folder / "work"
        self.folder.mkdir(exist_ok=True)
        self.ports = ports
        self._python: _Python | None = None
        self._set: dict[str, str] = {}
        home.give()

    def read(self, page: Path) -> None:
        """Run all blocks of a page that are meant to be run; those for the shell's prompt in one session."""
        self.play(alive_on(page))

    def play(self, blocks: list[Block]) -> None:
        """Run these blocks of a page."""
        for is_typed, group in groupby(blocks, key=lambda block: block.marks.get("run") == "shell"):
            if is_typed:
                self._type(list(group))
            else:
                for block in group:
                    self.run(block)
        self.close()

    def run(self, block: Block) -> None:
        """Run one block. Raises AssertionError with all that it said."""
        text = re.sub("|".join(self.ports), lambda found: str(self.ports[found[0]]), block.text)
        if "file" in block.marks:
            (self.folder / block.marks["file"]).write_text(text)
            self.home.give()
        elif block.language == "bash":
            self.shell(text, block.place)
        elif block.language == "python":
            self._python = self._python or _Python(self.folder)
            self._python.run(text, block.place)

    def _type(self, blocks: list[Block]) -> None:
        (self.folder / "block.py").write_text("\n".join(block.text for block in blocks))
        self.shell("vserver shell --name hospital --user < block.py", blocks[0].place)

    def shell(self, text: str, place: str, expected: int = 0) -> str:
        """Run lines of shell, without a terminal; what they wrote. Variables stay for the page's next lines."""
        text = f"set -a\n{text}\nenv -0 > .variables"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder, env=self.variables | self._set, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=_SECONDS, **as_account(self.home.account),
        )  # fmt: skip
        assert done.returncode == expected, f"{place} ended with {done.returncode}:\n{text}\n{done.stdout}"
        self._set = dict(
            line.split("=", 1) for line in (self.folder / ".variables").read_text().split("\0") if "=" in line
        )
        return done.stdout

    def close(self) -> None:
        """End what a page's Python blocks shared."""
        if self._python is not None:
            self._python.close()
        self._python = None
        self._set = {}

    @property
    def variables(self) -> dict[str, str]:
        """A home of its own, our command first on the path, and no Docker."""
        path = f"{ROOT / '.venv' / 'bin'}:{self.home.variables['PATH']}"
        return self.home.variables | {"PATH": path, "VSERVER_DRIVER": "local", "PYTHONDONTWRITEBYTECODE": "1"}


class _Python:
    """One Python with the real client, in which the blocks of a page follow one another."""

    _LOOP = """
import json, os, sys, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
names = {"__name__": "__main__"}
for line in sys.stdin:
    order = json.loads(line)
    try:
        exec(compile(order["code"], order["place"], "exec"), names)
        answer = ""
    except Exception:
        answer = traceback.format_exc()
    print(json.dumps(answer), file=answers, flush=True)
"""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "client.log").open("w+")
        self._process = subprocess.Popen(
            [str(python_of(CLIENT)), "-c", self._LOOP],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def run(self, code: str, place: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "place": place}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        error = json.loads(line) if line else "Python ended"
        assert not error, f"{place}:\n{code}\n{error}\n{self.said()[-3000:]}"

    def said(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._log.close()
