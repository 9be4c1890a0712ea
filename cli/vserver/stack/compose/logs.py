"""The logs of containers, line by line."""

import re
import threading
from typing import TYPE_CHECKING

from vserver.errors import CommandError
from vserver.stack.compose.engine import Engine
from vserver.stack.compose.files import Files
from vserver.stack.logs import LogsWanted, OnLine, component_in
from vserver.stack.tail import follow as follow_files

if TYPE_CHECKING:
    from vserver.config.schema import Environment

# Some versions of compose clear the line first, even where it is no terminal.
_LINE = re.compile(r"(?:\x1b\[\d*K|\r)*(?P<name>[a-z]+(?:-\d+)?)-\d+ *\| ?(?P<line>.*)")
_SHOWN = 5


def follow(
    engine: Engine, files: Files, environment: "Environment | None", wanted: LogsWanted, on_line: OnLine
) -> None:
    """Tell the lines as they come. Where the services write none to their consoles, those of their file as well."""
    ended = threading.Event()
    one_at_a_time = threading.Lock()

    def tell(name: str, line: str) -> None:
        with one_at_a_time:
            on_line(name, line)

    if environment is not None and not environment.logging.use_console:
        threading.Thread(target=_tell_file, args=(files, wanted, tell, ended), daemon=True).start()
    try:
        _tell_consoles(engine, files, wanted, tell)
    finally:
        ended.set()


def _tell_consoles(engine: Engine, files: Files, wanted: LogsWanted, on_line: OnLine) -> None:
    said: list[str] = []

    def told(text: str) -> None:
        match = _LINE.fullmatch(text)
        if match and match["name"] in wanted.components:
            on_line(match["name"], match["line"])
        else:
            said.append(text)

    since = [] if wanted.since is None else [f"--since={wanted.since.isoformat()}"]
    tail = f"--tail={'all' if wanted.last is None else wanted.last}"
    words = ["logs", "--follow", "--no-color", tail, *since, *wanted.components]
    if engine.compose(files.project, words, told) != 0:
        raise CommandError("\n".join(["the logs cannot be shown:", *said[-_SHOWN:]]))


def _tell_file(files: Files, wanted: LogsWanted, on_line: OnLine, ended: threading.Event) -> None:
    path = files.log / files.instance.log_file.name
    for _, line in follow_files({"": path}, wanted, lambda: not ended.is_set()):
        name = component_in(line, wanted.components)
        if name is not None and not ended.is_set():
            on_line(name, line)
