"""The export: the import's form without secrets, and nothing lost between the two."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataquality.jobs.exporter.command import main as export_main
from support.databases import SqliteFiles, sync_engine
from support.import_documents import documents, normal
from support.importing import FIRST_KEY, SECOND_KEY, Importer

ROOT = {
    "name": "root",
    "roles": [],
    "users": [{"username": "root", "email": "root@domain.ext", "roles": ["Root"]}],
}
SUPER = {"name": "super", "description": "Super user", "rules": "all"}
EXPECTED = {
    "organizations": [
        ROOT,
        {
            "name": "IKNL",
            "domain": "iknl.nl",
            "zipcode": "54331",
            "public_key": "a2V5",
            "roles": [SUPER],
            "users": [
                {
                    "username": "admin",
                    "firstname": "Ad",
                    "lastname": "Min",
                    "email": "admin@iknl.nl",
                    "roles": ["super"],
                }
            ],
        },
        {"name": "Small", "roles": [SUPER], "users": [{"username": "stan", "roles": ["Viewer"]}]},
    ],
    "collaborations": [
        {
            "name": "ZEPPELIN",
            "encrypted": False,
            "participants": [{"name": "IKNL", "api_key": "new"}, {"name": "Small", "api_key": "new"}],
        }
    ],
}


def test_an_export_has_all_that_was_imported_but_secrets_and_tasks(imported: Importer) -> None:
    assert json.loads(imported.export("json")) == EXPECTED


def test_yaml_says_the_same_as_json(imported: Importer) -> None:
    assert yaml.safe_load(imported.export("yaml")) == EXPECTED


def test_no_secret_is_in_an_export(imported: Importer) -> None:
    hashes = [*imported.rows("user", "password"), *imported.rows("node", "api_key_id")]
    hashes += [found for found in imported.rows("node", "api_key_hash") if found]
    for form in ("yaml", "json"):
        text = imported.export(form)
        assert not [secret for secret in (*hashes, FIRST_KEY, SECOND_KEY, "argon2") if secret in text]
        assert "password:" not in text.replace("no passwords", "")


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_importing_an_export_where_it_came_from_changes_nothing(imported: Importer, form: str) -> None:
    before = imported.contents()
    for options in ([], ["--update"]):
        outcome = imported.run(imported.export(form), *options, label=f"file.{form}")
        assert not any(count["created"] + count["changed"] for count in outcome.result["imported"].values())
        assert outcome.result["without_password"] == 0
        assert outcome.result["api_keys"] == []
    assert imported.contents() == before


def test_an_export_can_be_imported_elsewhere(
    imported: Importer, sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    text = imported.export()
    with sqlite_files.migrated_database() as url:
        elsewhere = Importer(url, tmp_path_factory.mktemp("secrets"), monkeypatch, capsys)
        result = elsewhere.run(text).result
        assert elsewhere.export() == text
    assert result["without_password"] == 2
    assert [(key["organization"], key["collaboration"]) for key in result["api_keys"]] == [
        ("IKNL", "ZEPPELIN"),
        ("Small", "ZEPPELIN"),
    ]


def test_an_export_reads_one_moment_and_waits_for_nobody(imported: Importer) -> None:
    before = imported.export()
    with sync_engine(imported.url).connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE" if other.dialect.name == "sqlite" else "LOCK TABLE task IN SHARE MODE")
        other.exec_driver_sql("UPDATE organization SET domain = 'changed'")
        assert imported.export() == before
        other.rollback()


def test_an_export_writes_nothing(imported: Importer) -> None:
    before = imported.contents()
    imported.export()
    assert imported.contents() == before


def test_names_that_several_have_and_names_that_are_missing_are_refused(imported: Importer) -> None:
    imported.execute("INSERT INTO organization (name) VALUES ('IKNL'), ('')")
    imported.execute("INSERT INTO role (name, organization_id) VALUES ('twice', 2), ('twice', 2)")
    [nameless] = [identity for identity, name in imported.rows("organization", "id", "name") if name == ""]
    assert imported.refusal() == [
        f"The organization {nameless} has no name. Give it one over the API.",
        "2 organizations are named 'IKNL'. Rename all but one of them over the API.",
        "2 roles of the organization 'IKNL' are named 'twice'. Rename all but one of them over the API.",
    ]


def test_a_node_whose_organization_left_is_left_out_and_said_so(
    imported: Importer, capsys: pytest.CaptureFixture[str]
) -> None:
    imported.execute("DELETE FROM member WHERE organization_id = (SELECT id FROM organization WHERE name = 'Small')")
    assert export_main(["--format", "json"]) == 0
    said = capsys.readouterr()
    [node] = [row[0] for row in imported.rows("node", "id", "name") if row[1] == "Small - ZEPPELIN Node"]
    assert said.err == f"left out: the node {node} of 'Small', which left the node's collaboration\n"
    document = json.loads(json.loads(said.out)["content"])
    assert document["collaborations"][0]["participants"] == [{"name": "IKNL", "api_key": "new"}]


def test_a_database_that_is_not_migrated_is_an_error(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Importer(empty_database_url, tmp_path, monkeypatch, capsys)
    assert export_main([]) == 1
    assert "python -m dataquality.jobs.migrate" in capsys.readouterr().err


class Roundtrip:
    """A new database for each example."""

    def __init__(self, files: SqliteFiles, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self._files = files
        self._parts = (folder, monkeypatch, capsys)

    def try_out(self, document: dict[str, Any], form: str) -> None:
        with self._files.migrated_database() as url:
            importer = Importer(url, *self._parts)
            outcome = importer.run(json.dumps(document), label="file.json")
            assert outcome.code == 0, outcome.err
            exported = importer.export(form)
            assert normal(json.loads(importer.export("json"))) == normal(document)
            before = importer.contents()
            for options in ([], ["--update"]):
                again = importer.run(exported, *options, label=f"file.{form}")
                assert not any(count["created"] + count["changed"] for count in again.result["imported"].values())
            assert importer.contents() == before


@pytest.fixture
def roundtrip(
    sqlite_files: SqliteFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Roundtrip:
    return Roundtrip(sqlite_files, tmp_path, monkeypatch, capsys)


# A smaller example costs minutes to find, and these are small.
_EXAMPLES = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=cast(list[HealthCheck], list(HealthCheck)),
)
_FORMS = st.sampled_from(["yaml", "json"])


@settings(_EXAMPLES, max_examples=15)
@given(document=documents(), form=_FORMS)
def test_what_is_imported_is_exported_and_imported_again_changes_nothing(
    roundtrip: Roundtrip, document: dict[str, Any], form: str
) -> None:
    roundtrip.try_out(document, form)


@pytest.mark.soak
@settings(_EXAMPLES, max_examples=400)
@given(document=documents(), form=_FORMS)
def test_many_documents_come_out_as_they_went_in(roundtrip: Roundtrip, document: dict[str, Any], form: str) -> None:
    roundtrip.try_out(document, form)
