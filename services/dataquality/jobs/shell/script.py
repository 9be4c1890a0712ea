"""Code that comes from a file or a pipe instead of a prompt."""

import ast
import linecache
import sys
import traceback
from pprint import pprint
from types import CodeType, TracebackType
from typing import Any

from dataquality.jobs.shell.errors import ShellError

LABEL = "<code>"
FAILED = 1


def run_script(source: str, namespace: dict[str, Any]) -> int:
    """Run the code and show what its last expression comes to, as a prompt would; the exit code.

    Code that raises ends with 1, and `sys.exit(n)` with n.
    """
    # So that a traceback shows the lines.
    linecache.cache[LABEL] = (len(source), None, source.splitlines(keepends=True), LABEL)
    try:
        statements, last = _compiled(source)
        exec(statements, namespace)  # noqa: S102 - the operator's own code
        if last is not None:
            _show(eval(last, namespace))  # noqa: S307 - the same
    except SystemExit as ending:
        return _exit_code(ending)
    except ShellError as error:
        return _say(f"error: {LABEL}:{_line(error.__traceback__)}: {error}")
    except Exception as error:  # the boundary: whatever the code raises is told, and is the exit code
        inner = error.__traceback__.tb_next if error.__traceback__ is not None else None
        return _say("".join(traceback.format_exception(type(error), error, inner)).rstrip())
    return 0


def _compiled(source: str) -> tuple[CodeType, CodeType | None]:
    """All but a last expression, and that expression."""
    tree = ast.parse(source, LABEL)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    statements = compile(tree, LABEL, "exec")
    if not isinstance(last, ast.Expr):
        return statements, None
    return statements, compile(ast.Expression(last.value), LABEL, "eval")


def _show(value: object) -> None:
    if value is not None:
        pprint(value, width=120)  # noqa: T203 - standard output is for this


def _exit_code(ending: SystemExit) -> int:
    if ending.code is None or isinstance(ending.code, int):
        return ending.code or 0
    return _say(str(ending.code))


def _line(trace: TracebackType | None) -> int:
    """The last line of the code itself that led there."""
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == LABEL]
    return lines[-1] if lines else 0


def _say(text: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    return FAILED
