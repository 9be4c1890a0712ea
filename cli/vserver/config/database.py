"""Addresses of databases: which ones a configuration may name, and what they come to."""

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

SQLITE = "sqlite:///"
POSTGRES = "postgresql://"
EXPECTED = "sqlite:///name.sqlite or postgresql://user:password@host:port/database"
_ENCODE = "In a user name or password write @ : / ? # % as %40 %3A %2F %3F %23 %25"


class AddressError(ValueError):
    """The address cannot be used. Neither text shows any part of it that may be a password."""

    def __init__(self, expected: str, hint: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint


def normalised(uri: str) -> str:
    """The address in the one spelling that the stack uses, or AddressError."""
    if re.search(r"[\s\x00-\x1f]", uri):
        raise AddressError(EXPECTED, "Remove the blanks from it; in a password write a blank as %20")
    scheme, separator, rest = uri.partition(":")
    if not separator:
        raise AddressError(EXPECTED, "")
    if scheme == "postgres":
        scheme, uri = "postgresql", f"postgresql:{rest}"
    if scheme == "sqlite":
        _check_sqlite(uri)
    elif scheme == "postgresql":
        _check_postgres(uri)
    else:
        raise AddressError(EXPECTED, _remedy(scheme))
    return uri


def sqlite_file(uri: str, data_folder: Path) -> Path | None:
    """The file of an SQLite address, relative ones in the instance's data folder; None for Postgres."""
    return data_folder / uri.removeprefix(SQLITE) if uri.startswith(SQLITE) else None


def without_password(uri: str) -> str:
    """The address as it may be shown to people."""
    hidden = re.sub(r"(//[^:@/?#]*):[^/?#]*@", r"\1:***@", uri)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", hidden)


def _remedy(scheme: str) -> str:
    family = scheme.partition("+")[0]
    if family in {"sqlite", "postgresql", "postgres"} and family != scheme:
        return f"Leave out the driver after the + and write {family}:; the server brings its own"
    return "Only SQLite and Postgres are supported; leave uri out and the stack brings its own Postgres"


def _check_sqlite(uri: str) -> None:
    file = uri.removeprefix(SQLITE)
    if file in {uri, "", ":memory:"} or "mode=memory" in file:
        raise AddressError(
            "sqlite:/// followed by a file, as in sqlite:///name.sqlite",
            "A database in memory cannot be shared by the services: name a file",
        )
    if re.search(r"[?#]", file) or file.startswith("file:"):
        raise AddressError("a plain path after sqlite:///", "Remove the options behind the path")
    if file.endswith(("/", "\\")):
        raise AddressError("a file after sqlite:///", "It names a folder: add the name of the file")
    if ".." in re.split(r"[/\\]", file):
        raise AddressError(
            "a path after sqlite:/// without ..",
            "A relative path starts in the instance's data folder; for another place write sqlite:////full/path",
        )


def _check_postgres(uri: str) -> None:
    parts = _split(uri)
    if not parts.hostname:
        raise AddressError("a host in postgresql://user:password@host:port/database", _ENCODE)
    if not parts.path.strip("/") or "/" in parts.path.strip("/"):
        raise AddressError("the name of one database behind the host, as in postgresql://host/database", _ENCODE)
    if parts.fragment:
        raise AddressError("no # in postgresql://user:password@host:port/database", _ENCODE)


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise AddressError("a port from 1 to 65535 behind the host, and an IPv6 host in brackets", _ENCODE) from None
    if port == 0:
        raise AddressError("a port from 1 to 65535 behind the host", _ENCODE)
    return parts
