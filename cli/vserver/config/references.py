"""`${VARIABLE}`, `${VARIABLE:-default}` and `file:path` in the values of a configuration."""

import re
from collections.abc import Mapping
from pathlib import Path

from vserver.config.text import printable, shown

FILE = "file:"
LARGEST_VALUE = 65_536
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)(?P<end>\}?)")


class BrokenReferenceError(ValueError):
    """A reference leads nowhere; shows names, never values."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def has_reference(text: str) -> bool:
    return text.startswith(FILE) or "${" in text


def resolved(text: str, folder: Path, variables: Mapping[str, str]) -> str:
    """The value that `text` stands for. Only what is written in the configuration is a reference: what a variable
    or a file holds is taken as it is."""
    if text.startswith(FILE):
        return _content(folder / _with_variables(text.removeprefix(FILE), variables))
    return _with_variables(text, variables)


def _with_variables(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: _value(match, variables), text)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match[0] == "$${":
        return "${"
    if not match["end"]:
        raise BrokenReferenceError("a ${ without a } behind it", "Write $${ for the two characters themselves")
    name, separator, default = match["inside"].partition(":-")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise BrokenReferenceError(
            "between ${ and } stands no name of a variable",
            "Write ${NAME} or ${NAME:-default}, and $${ for the two characters themselves",
        )
    value = variables.get(name)
    if separator and not value:
        return default
    if value is None:
        raise BrokenReferenceError(
            f"the variable {shown(name)} is not set", f"Set it, or give a default as in ${{{shown(name)}:-default}}"
        )
    return value


def _content(path: Path) -> str:
    try:
        if not path.is_file():
            reason = "it is not a file" if path.exists() else "there is no such file"
            raise BrokenReferenceError(f"cannot read {printable(str(path))}: {reason}", _FILE_HINT)
        with path.open("rb") as file:
            content = file.read(LARGEST_VALUE + 1)
        text = content.decode("utf-8")
    except BrokenReferenceError:
        raise
    except UnicodeDecodeError:
        raise BrokenReferenceError(f"{printable(str(path))} is not UTF-8 text", "Save it in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its path is not valid"
        raise BrokenReferenceError(f"cannot read {printable(str(path))}: {reason}", _FILE_HINT) from None
    if len(content) > LARGEST_VALUE:
        raise BrokenReferenceError(f"{printable(str(path))} holds more than {LARGEST_VALUE} bytes", _FILE_HINT)
    return text.removesuffix("\n").removesuffix("\r")


_FILE_HINT = "A relative path starts in the configuration's folder; the file holds the value and nothing else"
