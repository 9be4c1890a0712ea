"""What a command says when it cannot do what was asked. Light on purpose: every command imports it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """How `vserver` ends; documented, so scripts may rely on it."""

    OK = 0
    FAILED = 1
    UNREACHABLE = 2
    TIMED_OUT = 3
    USAGE = 4
    FAULT = 5


class CommandError(Exception):
    """A command cannot go on: what was wrong and where (`message`), what to do about it (`hint`)."""

    def __init__(self, message: str, hint: str | None = None, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a configuration file.

    `line` counts from one and is absent when the file as a whole is meant; `key` is dotted
    (`environments.test.logging.level`), or empty.
    """

    path: Path
    line: int | None
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else str(self.path)
        key = f"{self.key}: " if self.key else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{where}: {key}{self.message}{hint}"


class ConfigurationError(CommandError):
    """A configuration cannot be used; carries all that is wrong with it, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in problems), exit_code=ExitCode.USAGE)
