"""The batch import: cli-and-config.md section 6 with its U lines, on both databases."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from dataquality.jobs.importer.command import main
from dataquality.model import Organization, User
from support.databases import sync_engine
from support.importing import FIRST_KEY, GOOD, PEPPER, SECOND_KEY, Importer, Outcome

NOTHING = {"created": 0, "changed": 0, "unchanged": 0}
AGREE = "Make the file agree, or import it with --update to change what exists"
KEEP = "An import changes no API keys: write `new`, which leaves the key that it has, or reset it over the API"


def counts(**kinds: tuple[int, int]) -> dict[str, dict[str, int]]:
    """How many of each kind are new, and how many were there already."""
    names = ("organizations", "roles", "users", "collaborations", "nodes", "tasks")
    given = {name: {"created": new, "changed": 0, "unchanged": old} for name, (new, old) in kinds.items()}
    return {name: given.get(name, NOTHING) for name in names}


def imported_counts(outcome: Outcome) -> dict[str, dict[str, int]]:
    """The same as it stands on standard output."""
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)["imported"]


def test_the_result_says_how_much_of_each_kind_is_new(importer: Importer) -> None:
    outcome = importer.run(GOOD)
    assert outcome.code == 0
    assert imported_counts(outcome) == counts(
        organizations=(2, 0), roles=(2, 0), users=(2, 0), collaborations=(1, 0), nodes=(2, 0), tasks=(2, 0)
    )


def test_the_manuals_example_is_imported_as_it_stands(importer: Importer) -> None:
    outcome = importer.run((Path(__file__).parent / "data" / "example-import.yaml").read_text())
    assert outcome.code == 0, outcome.lines
    assert imported_counts(outcome) == counts(
        organizations=(3, 0), roles=(3, 0), users=(6, 0), collaborations=(3, 0), nodes=(7, 0), tasks=(4, 0)
    )
    assert importer.rows("collaboration", "name", "encrypted") == [
        ("ZEPPELIN", False),
        ("PIPELINE", False),
        ("SLIPPERS", False),
    ]


def test_progress_names_each_kind(importer: Importer) -> None:
    lines = importer.run(GOOD).lines
    # Where it takes longer than a second, it says on the way how far it is.
    assert all(re.fullmatch(r"[a-z ]+ \d/\d", line) for line in lines)
    assert [line for line in lines if re.search(r"(\d)/\1$", line)] == [
        "passwords 2/2",
        "api keys 2/2",
        "organizations 2/2",
        "roles 2/2",
        "users 2/2",
        "collaborations 1/1",
        "nodes 2/2",
        "tasks 2/2",
    ]


def test_organizations_have_their_details_and_the_decoded_key(imported: Importer) -> None:
    found = imported.rows("organization", "name", "domain", "zipcode", "address2", "public_key")
    assert ("IKNL", "iknl.nl", "54331", None, b"key") in found
    assert ("Small", None, None, None, None) in found


def test_users_have_their_names_and_an_argon2id_hash(imported: Importer) -> None:
    found = {row[0]: row[1:] for row in imported.rows("user", "username", "firstname", "lastname", "email", "password")}
    assert found["admin"][:3] == ("Ad", "Min", "admin@iknl.nl")
    assert found["stan"][:3] == (None, None, None)
    assert all(row[3].startswith("$argon2id$") for row in found.values())
    assert found["admin"][3] != found["stan"][3]


def test_each_organization_gets_a_role_super_with_all_rules(imported: Importer) -> None:
    roles = [row for row in imported.rows("role", "id", "name", "description", "organization_id") if row[1] == "super"]
    assert [row[2] for row in roles] == ["Super user", "Super user"]
    assert len({row[3] for row in roles}) == 2
    given = imported.rows("role_rule_association", "role_id")
    assert [given.count(row[0]) for row in roles] == [53, 53]


def test_users_have_the_role_super_of_their_organization_or_the_roles_of_the_file(imported: Importer) -> None:
    assert roles_of(imported, "admin") == [("super", organization_id(imported, "IKNL"))]
    assert roles_of(imported, "stan") == [("Viewer", None)]


def roles_of(importer: Importer, username: str) -> list[tuple[str, int | None]]:
    statement = text(
        'SELECT role.name, role.organization_id FROM permission JOIN "user" ON "user".id = permission.user_id '
        "JOIN role ON role.id = permission.role_id WHERE username = :username"
    )
    with sync_engine(importer.url).connect() as connection:
        return [(row[0], row[1]) for row in connection.execute(statement, {"username": username})]


def organization_id(importer: Importer, name: str) -> int:
    return next(row[0] for row in importer.rows("organization", "id", "name") if row[1] == name)


def test_a_collaboration_has_its_participants_and_their_nodes(imported: Importer) -> None:
    [(collaboration, name, encrypted)] = imported.rows("collaboration", "id", "name", "encrypted")
    assert (name, encrypted) == ("ZEPPELIN", False)
    both = [organization_id(imported, "IKNL"), organization_id(imported, "Small")]
    assert sorted(imported.rows("member", "organization_id", "collaboration_id")) == [(o, collaboration) for o in both]
    nodes = imported.rows("node", "id", "name", "organization_id", "collaboration_id")
    assert [row[1:] for row in nodes] == [
        ("IKNL - ZEPPELIN Node", both[0], collaboration),
        ("Small - ZEPPELIN Node", both[1], collaboration),
    ]


def test_a_collaboration_is_encrypted_unless_the_file_says_otherwise(importer: Importer) -> None:
    importer.run(GOOD.replace("    encrypted: false\n", ""))
    assert importer.rows("collaboration", "encrypted") == [True]


def test_no_key_is_stored_and_one_that_is_not_random_is_hashed_slowly_too(importer: Importer) -> None:
    random_key = "0b8ad6e2-3f6c-4b0f-9d44-2f4a1c9e7a10"
    importer.run(GOOD.replace(SECOND_KEY, random_key))
    first, second = importer.rows("node", "id", "api_key_id", "api_key_hash")
    assert first[2].startswith("$argon2id$")
    assert second[2] is None
    stored = repr(importer.contents())
    assert FIRST_KEY not in stored
    assert random_key not in stored


def test_example_tasks_have_a_result_for_each_participant(imported: Importer) -> None:
    tasks = imported.rows("task", "id", "name", "image", "run_id", "initiator_id", "init_user_id", "parent_id")
    assert [row[1:3] for row in tasks] == [("Example task", "hello-world"), ("Example task", "hello-moon")]
    assert len({row[3] for row in tasks}) == 2
    assert {row[4:] for row in tasks} == {(organization_id(imported, "IKNL"), None, None)}
    nodes = imported.rows("node", "id", "organization_id")
    results = imported.rows("result", "id", "task_id", "organization_id", "node_id", "status", "finished_at")
    assert [row[1:] for row in results] == [(t[0], o, n, "pending", None) for t in tasks for n, o in nodes]
    assert imported.rows("resultcontent", "result_id", "input") == [(row[0], "something") for row in results]


def test_nodes_will_be_told_of_the_tasks_in_order(imported: Importer) -> None:
    [collaboration] = imported.rows("collaboration", "id")
    initiator = organization_id(imported, "IKNL")
    expected: list[tuple[Any, ...]] = []
    for task, run_id in imported.rows("task", "id", "run_id"):
        created = {"task_id": task, "run_id": run_id, "collaboration_id": collaboration, "init_org_id": initiator}
        expected += [("task_created", [created]), ("new_task", [task])]
    events = imported.rows("outbox", "id", "event", "payload", "room", "collaboration_id", "sent_at")
    room = f"collaboration_{collaboration}"
    assert [row[1:] for row in events] == [(event, payload, room, collaboration, None) for event, payload in expected]


def test_a_second_run_of_the_same_file_changes_nothing(imported: Importer) -> None:
    before = imported.contents()
    outcome = imported.run(GOOD)
    assert outcome.code == 0
    assert imported_counts(outcome) == counts(
        organizations=(0, 2), roles=(0, 2), users=(0, 2), collaborations=(0, 1), nodes=(0, 2), tasks=(0, 2)
    )
    assert imported.contents() == before


def test_a_second_run_adds_what_is_new_in_the_file(imported: Importer) -> None:
    longer = GOOD.replace(
        "collaborations:\n", "  - {name: Big, users: [{username: ben, password: p}]}\ncollaborations:\n"
    ).replace(
        "    tasks:",
        "      - name: Big\n        api_key: 123e4567-e89b-12d3-a456-426614174003\n    tasks:",
    )
    outcome = imported.run(longer)
    expected = counts(organizations=(1, 2), roles=(1, 2), users=(1, 2), nodes=(1, 2), tasks=(0, 2))
    expected["collaborations"] = {"created": 0, "changed": 1, "unchanged": 0}
    assert imported_counts(outcome) == expected
    assert len(imported.rows("member", "organization_id")) == 3
    assert len(imported.rows("task", "id")) == 2


def test_collaborations_of_organizations_of_the_database(imported: Importer) -> None:
    outcome = imported.run(
        "collaborations:\n- name: PIPELINE\n  participants:\n  - name: IKNL\n"
        "    api_key: 123e4567-e89b-12d3-a456-426614174004\n"
    )
    assert imported_counts(outcome) == counts(collaborations=(1, 0), nodes=(1, 0))


def test_users_get_roles_of_their_organization_by_name(importer: Importer) -> None:
    assert importer.run(GOOD.replace("[Viewer]", "[super, Researcher]")).code == 0
    own = organization_id(importer, "Small")
    assert sorted(roles_of(importer, "stan")) == [("Researcher", None), ("super", own)]


def test_a_user_with_an_empty_list_of_roles_may_do_nothing(importer: Importer) -> None:
    assert importer.run(GOOD.replace("[Viewer]", "[]")).code == 0
    assert roles_of(importer, "stan") == []


def test_json_is_taken_as_well(importer: Importer) -> None:
    document: dict[str, Any] = {"organizations": [{"name": "Zürich 😀", "zipcode": 8001, "users": []}]}
    assert importer.run(json.dumps(document, indent="\t")).code == 0
    assert ("Zürich 😀", "8001") in importer.rows("organization", "name", "zipcode")


def test_many_rows_are_imported_with_progress_at_each_hundred(importer: Importer) -> None:
    names = [f"organization {number:04}" for number in range(1234)]
    outcome = importer.run(json.dumps({"organizations": [{"name": name} for name in names]}))
    assert outcome.code == 0
    assert [line for line in outcome.lines if line.startswith("organizations")] == [
        *(f"organizations {number}/1234" for number in range(100, 1201, 100)),
        "organizations 1234/1234",
    ]
    assert [name for name in importer.rows("organization", "id", "name") if name[1] != "root"][-1][1] == names[-1]


CLASHES: dict[str, tuple[str, str, str]] = {
    "another domain": (
        "domain: iknl.nl",
        "domain: iknl.org",
        f"3: organizations[0].domain: the organization 'IKNL' exists with another domain ('iknl.nl'). {AGREE}",
    ),
    "a domain that was empty": (
        "- name: Small\n    users",
        "- name: Small\n    domain: small.nl\n    users",
        f"14: organizations[1].domain: the organization 'Small' exists with another domain (nothing). {AGREE}",
    ),
    "another first name": (
        "firstname: Ad",
        "firstname: Add",
        f"8: organizations[0].users[0].firstname: the user 'admin' exists with another firstname ('Ad'). {AGREE}",
    ),
    "another e-mail address": (
        "admin@iknl.nl",
        "ad@iknl.nl",
        f"10: organizations[0].users[0].email: the user 'admin' exists with another email ('admin@iknl.nl'). {AGREE}",
    ),
    "other roles": (
        "[Viewer]",
        "[Researcher]",
        f"15: organizations[1].users[0].roles[0]: the user 'stan' exists with other roles ('Viewer'). {AGREE}",
    ),
    "a user of another organization": (
        "name: Small\n    users",
        "name: Other\n    users",
        "15: organizations[1].users[0].username: a user 'stan' exists in another organization. Choose another username",
    ),
    "an e-mail address of somebody else": (
        "{username: stan,",
        "{username: sten, email: admin@iknl.nl,",
        "15: organizations[1].users[0].email: the user 'admin' has this e-mail address already. Use another",
    ),
    "another encryption": (
        "encrypted: false",
        "encrypted: true",
        f"17: collaborations[0].name: the collaboration 'ZEPPELIN' exists and is not encrypted. {AGREE}",
    ),
    "another API key": (
        SECOND_KEY,
        "123e4567-e89b-12d3-a456-426614174009",
        "22: collaborations[0].participants[1].api_key: the node of 'Small' in this collaboration exists with another "
        f"API key. {KEEP}",
    ),
    "an API key of another node": (
        "name: ZEPPELIN",
        "name: PIPELINE",
        "20: collaborations[0].participants[0].api_key: another node uses this API key already. "
        "Give this one a key of its own",
    ),
}


@pytest.mark.parametrize("name", CLASHES)
def test_what_clashes_with_the_database_is_refused(imported: Importer, name: str) -> None:
    old, new, said = CLASHES[name]
    assert old in GOOD
    before = imported.contents()
    outcome = imported.run(GOOD.replace(old, new))
    assert outcome.code == 4
    assert f"file.yaml:{said}" in outcome.lines
    assert imported.contents() == before


def test_a_name_that_two_organizations_have_is_refused(imported: Importer) -> None:
    with sync_engine(imported.url).begin() as connection:
        connection.execute(insert(Organization).values(name="Small"))
    said = "the database has several organizations named 'Small'. Rename all but one of them over the API"
    assert f"file.yaml:13: organizations[1].name: {said}" in imported.run(GOOD).lines


def test_a_public_key_that_a_node_replaced_stays_and_is_no_clash(imported: Importer) -> None:
    with sync_engine(imported.url).begin() as connection:
        connection.execute(update(Organization).where(Organization.name == "IKNL").values(public_key=b"newer"))
    outcome = imported.run(GOOD)
    assert (outcome.code, outcome.lines) == (0, ["the organization 'IKNL' keeps the public key that it has now"])
    assert b"newer" in imported.rows("organization", "public_key")


def test_a_password_that_its_user_changed_stays_and_is_no_clash(imported: Importer) -> None:
    with sync_engine(imported.url).begin() as connection:
        table: Any = User.__table__
        connection.execute(update(table).where(table.c.username == "stan").values(password="changed"))
    assert imported.run(GOOD).code == 0
    assert ("stan", "changed") in imported.rows("user", "username", "password")


def test_an_import_leaves_one_line_in_the_audit_trail(imported: Importer) -> None:
    imported.run(GOOD)
    [line] = imported.rows("audit", "actor_type", "action", "detail")
    assert line[:2] == ("operator", "batch import")
    assert line[2]["users"] == {"created": 2, "changed": 0, "unchanged": 0}


def test_drop_all_is_refused_unless_the_configuration_allows_it(imported: Importer) -> None:
    before = imported.contents()
    outcome = imported.run(GOOD, "--drop-all")
    said = "--drop-all is not allowed here. Set `allow_drop_all: true` in the configuration first."
    assert (outcome.code, outcome.lines) == (4, [said])
    assert imported.contents() == before


def test_drop_all_leaves_the_seed_and_the_file(imported: Importer) -> None:
    imported.allow_drop_all()
    users = dict(imported.rows("user", "username", "id"))
    outcome = imported.run(GOOD.replace("name: Small", "name: Smaller"), "--drop-all")
    assert imported_counts(outcome) == counts(
        organizations=(2, 0), roles=(2, 0), users=(2, 0), collaborations=(1, 0), nodes=(2, 0), tasks=(2, 0)
    )
    assert sorted(imported.rows("organization", "name")) == ["IKNL", "Smaller", "root"]
    assert len(imported.rows("rule", "id")) == 53
    assert len(imported.rows("role", "id")) == 7 + 2
    assert roles_of(imported, "root") == [("Root", None)]
    assert ("root_password_is_default", "true") in imported.rows("serverstate", "key", "value")
    # No token of before may speak for anybody of now.
    assert not set(users.values()) & set(imported.rows("user", "id"))


def test_drop_all_keeps_the_audit_trail(imported: Importer) -> None:
    imported.allow_drop_all()
    imported.run(GOOD, "--drop-all")
    first, second = imported.rows("audit", "id", "detail")
    assert (first[1]["drop_all"], second[1]["drop_all"]) == (False, True)


def test_drop_all_with_a_wrong_file_drops_nothing(imported: Importer) -> None:
    imported.allow_drop_all()
    before = imported.contents()
    assert imported.run(GOOD.replace("[Viewer]", "[xyz]"), "--drop-all").code == 4
    assert imported.contents() == before


def test_drop_all_is_not_hindered_by_what_it_drops(imported: Importer) -> None:
    imported.allow_drop_all()
    assert imported.run(GOOD.replace("domain: iknl.nl", "domain: iknl.org"), "--drop-all").code == 0


@pytest.mark.parametrize("drop_all", [False, True])
def test_a_failure_in_the_middle_leaves_the_database_as_it_was(importer: Importer, drop_all: bool) -> None:
    importer.allow_drop_all()
    with sync_engine(importer.url).begin() as connection:
        for statement in _NO_TASKS[connection.dialect.name]:
            connection.execute(text(statement))
    before = importer.contents()
    outcome = importer.run(GOOD, *(["--drop-all"] if drop_all else []))
    assert outcome.code == 1
    assert "Nothing was imported" in outcome.lines[-1]
    assert "argon2" not in outcome.err
    assert importer.contents() == before


_NO_TASKS = {
    "sqlite": ["CREATE TRIGGER no_task BEFORE INSERT ON task BEGIN SELECT RAISE(ABORT, 'no more tasks'); END"],
    "postgresql": [
        "CREATE FUNCTION no_task() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no more tasks'; END $$",
        "CREATE TRIGGER no_task BEFORE INSERT ON task FOR EACH ROW EXECUTE FUNCTION no_task()",
    ],
}


def test_a_database_that_was_never_migrated_is_an_error(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Importer(empty_database_url, tmp_path, monkeypatch, capsys).run(GOOD)
    assert outcome.code == 1
    assert "python -m dataquality.jobs.migrate" in outcome.err


def test_what_is_wrong_with_the_file_is_said_without_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Importer(f"sqlite:///{tmp_path}/missing.sqlite", tmp_path, monkeypatch, capsys)
    outcome = nowhere.run("organizations:\n- domain: a\n")
    said = "file.yaml:2: organizations[0].name: this is missing. Give the organization a name"
    assert (outcome.code, outcome.lines) == (4, [said])


def test_neither_passwords_nor_keys_are_ever_shown(importer: Importer) -> None:
    content = GOOD.replace("password: password", "password: 5ecret-word")
    runs = [importer.run(content), importer.run(content), importer.run(content.replace("Ad\n", "Add\n"))]
    shown = "".join(run.out + run.err for run in runs)
    assert not [word for word in ("5ecret-word", FIRST_KEY, SECOND_KEY, PEPPER) if word in shown]


@pytest.mark.parametrize("arguments", [[], ["-"], ["file.yaml", "--label", "x"], ["-", "--label", "x", "--dryrun"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, io.BytesIO())
    assert ended.value.code == 4
