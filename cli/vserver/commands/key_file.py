"""API keys that an import made: shown once, or written to a file for its owner alone."""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from vserver.commands.output import table
from vserver.config.text import printable
from vserver.errors import CommandError, ExitCode


@dataclass
class KeyFile:
    """Where they go; without a path, to the screen."""

    path: Path | None = None
    file: TextIO | None = None

    def keep(self, result: dict[str, Any]) -> None:
        """Write the result's `api_keys` to the file, if there is one, and have the result name the file instead."""
        if self.file is None or not result["api_keys"]:
            return
        json.dump(result["api_keys"], self.file, indent=2, ensure_ascii=False)
        self.file.write("\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        result |= {"api_keys": [], "keys_file": str(self.path)}

    def lines(self, result: Mapping[str, Any]) -> list[str]:
        """What people are told of it."""
        if "keys_file" in result:
            return ["", f"The API keys that were made are in {result['keys_file']}. They are stored nowhere else."]
        if not result["api_keys"]:
            return []
        columns = ("organization", "collaboration", "api_key")
        rows = [tuple(printable(key[column]) for column in columns) for key in result["api_keys"]]
        heading = ("organization", "collaboration", "API key")
        return [
            "",
            "API keys that were made. They are shown this once, and stored nowhere:",
            *table([heading, *rows], "  "),
        ]


@contextmanager
def opened_key_file(path: Path | None) -> Generator[KeyFile]:
    """The file is made beforehand: keys that could not be written would be lost. It goes again if it stays empty."""
    if path is None:
        yield KeyFile()
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists already", "Give --keys-file a new name.", ExitCode.USAGE) from None
    except OSError as error:
        hint = "Name a file in a folder that exists and that you may write to."
        raise CommandError(f"{path} cannot be made: {error.strerror}", hint, ExitCode.USAGE) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield KeyFile(path, file)
    finally:
        if path.stat().st_size == 0:
            path.unlink()
