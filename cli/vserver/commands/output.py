"""What commands say: data on standard output, everything for people on standard error."""

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from vserver.errors import CommandError


class Output:
    """One command's voice: plain lines, or one JSON envelope."""

    def __init__(self, command: str, as_json: bool) -> None:
        self._command = command
        self._as_json = as_json
        self._begun = time.monotonic()

    @property
    def may_ask(self) -> bool:
        """Whether somebody sits at a terminal who can answer a question."""
        return not self._as_json and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        """Since the command began."""
        return time.monotonic() - self._begun

    def step(self, text: str) -> None:
        """One step of the way, with the seconds it was reached at."""
        seconds = f"{self.seconds:5.1f} s"
        sys.stderr.write(f"{_dim(seconds)}  {text}\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """Something people should know."""
        sys.stderr.write(f"note: {text}\n")

    def warn(self, text: str) -> None:
        """Something people should do something about."""
        sys.stderr.write(f"warning: {text}\n")

    def done(self, data: Mapping[str, Any], lines: Iterable[str]) -> None:
        """The result: `data` for programs, or `lines` for people."""
        if self._as_json:
            write_envelope({"ok": True, "command": self._command, "data": dict(data)})
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def write_envelope(envelope: Mapping[str, Any]) -> None:
    """The one JSON object that `--json` promises."""
    sys.stdout.write(json.dumps(envelope, ensure_ascii=False) + "\n")


def write_error(error: CommandError, as_json: bool) -> None:
    """Say what went wrong and what to do."""
    sys.stdout.flush()
    if as_json:
        shown = {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}
        write_envelope({"ok": False, "error": shown})
        return
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")


def table(rows: list[tuple[str, ...]], indent: str = "") -> list[str]:
    """Rows as lines with aligned columns."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def _dim(text: str) -> str:
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[2m{text}\x1b[0m" if colour else text
