"""Addresses of databases as they are used and shown."""

from pathlib import Path

import pytest

from vserver.config.database import sqlite_file, without_password

DATA = Path("/data")


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///x.sqlite", DATA / "x.sqlite"),
        ("sqlite:///sub/x.sqlite", DATA / "sub" / "x.sqlite"),
        ("sqlite:////srv/x.sqlite", Path("/srv/x.sqlite")),
        ("postgresql://host/d", None),
    ],
)
def test_a_relative_sqlite_file_lies_in_the_data_folder(uri: str, file: Path | None) -> None:
    assert sqlite_file(uri, DATA) == file


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://u:hunter2@host/d", "postgresql://u:***@host/d"),
        ("postgresql://u:hunter@2@host:5432/d?x=a@b", "postgresql://u:***@host:5432/d?x=a@b"),
        ("postgresql://:hunter2@host/d", "postgresql://:***@host/d"),
        ("postgresql://host/d?user=u&password=hunter2&x=y", "postgresql://host/d?user=u&password=***&x=y"),
        ("postgresql://host:5432/d", "postgresql://host:5432/d"),
        ("sqlite:///x.sqlite", "sqlite:///x.sqlite"),
    ],
)
def test_an_address_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert without_password(uri) == shown
