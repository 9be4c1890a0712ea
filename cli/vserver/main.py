"""`vserver`: the operator's command."""

import importlib
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from vserver import commands
from vserver.commands import completion
from vserver.commands.output import write_error
from vserver.errors import CommandError, ExitCode

_ORDER = (
    "new", "start", "stop", "status", "list", "files", "attach", "shell", "import", "export", "user", "version",
    "image", "autostart", "secret",
)  # fmt: skip
_INTERRUPTED = 130


def build_app() -> typer.Typer:
    """The command with all its subcommands: every module of `vserver.commands` that has a `register`."""
    app = typer.Typer(
        name="vserver",
        help="Run coordination servers for federated analysis.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,  # ours tells where it writes, and writes the same twice
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_greet)
    there = {module.name.rstrip("_"): module.name for module in pkgutil.iter_modules(commands.__path__)}
    for name in sorted(there, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)):
        module = importlib.import_module(f"vserver.commands.{there[name]}")
        register = getattr(module, "register", None)
        if register is not None:
            register(app)
    return app


def _greet(context: typer.Context, install: completion.Install = False, show: completion.Show = False) -> None:
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def run(arguments: Sequence[str]) -> int:
    """Run the command; its exit code. Every error ends here, as one message with one remedy."""
    as_json = "--json" in arguments
    try:
        code = int(build_app()(list(arguments), prog_name="vserver", standalone_mode=False) or ExitCode.OK)
    except CommandError as error:
        return _failed(error, as_json)
    except TyperException as error:
        words = [word for word in arguments[:1] if word in _ORDER]
        hint = f"`{' '.join(['vserver', *words, '--help'])}` lists what there is."
        return _failed(CommandError(error.format_message(), hint, ExitCode.USAGE), as_json)
    except PermissionError as error:
        hint = "Run it as root, or with --user for what is your own."
        return _failed(CommandError(f"{error.filename}: {error.strerror}", hint, ExitCode.UNREACHABLE), as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception:
        return _failed(_fault(traceback.format_exc()), as_json)
    if code == _INTERRUPTED:
        sys.stderr.write("interrupted\n")
    return code


def _failed(error: CommandError, as_json: bool) -> int:
    write_error(error, as_json)
    return int(error.exit_code)


def _fault(trace: str) -> CommandError:
    handle, path = tempfile.mkstemp(prefix="vserver-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(trace)
    said = trace.strip().splitlines()[-1]
    return CommandError(
        f"A fault of vserver itself: {said}",
        f"Please report it; the trace is in {path}.",
        ExitCode.FAULT,
    )


def _interrupt(*_: object) -> None:
    """Whoever ends us with TERM gets what Ctrl-C gets: nothing is left half-started."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the installed command."""
    signal.signal(signal.SIGTERM, _interrupt)
    completion.answer_shells()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
