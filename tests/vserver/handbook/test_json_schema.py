"""The JSON Schema that editors get says the same as what is read."""

import subprocess
import sys
from pathlib import Path

from vserver.handbook.json_schema import configuration_schema, text

COMMITTED = Path(__file__).parents[3] / "deploy" / "configuration.schema.json"


def test_the_committed_schema_is_the_one_that_validates() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == text(), (
        "run `python -m vserver.handbook.json_schema` in the checkout"
    )


def test_the_module_writes_the_schema_where_it_is_committed(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    # The tables of the page are filled in where it lies.
    page = Path(__file__).parents[3] / "docs" / "configuration.md"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / page.name).write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "vserver.handbook.json_schema"], cwd=tmp_path, check=True)
    assert (tmp_path / "deploy" / COMMITTED.name).read_text(encoding="utf-8") == text()


def test_every_key_is_described_and_no_group_takes_unknown_ones() -> None:
    for name, group in configuration_schema()["$defs"].items():
        assert group["additionalProperties"] is False, name
        undescribed = [
            key for key, schema in group["properties"].items() if "description" not in schema and "$ref" not in schema
        ]
        assert undescribed == [], name
