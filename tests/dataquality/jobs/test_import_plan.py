"""What an import would do and says, and changing what exists, on both databases."""

import json
from typing import Any

import pytest

from dataquality.core.passwords import verify_password
from dataquality.jobs.importer.job import Done
from dataquality.jobs.importer.plan import Plan, Tally
from support.databases import sync_engine
from support.importing import FIRST_KEY, GOOD, SECOND_KEY, Importer

KINDS = ("organizations", "roles", "users", "collaborations", "nodes", "tasks")
MORE = GOOD.replace("collaborations:\n", "  - {name: Big, users: [{username: ben, password: p}]}\ncollaborations:\n")
CHANGED = (
    GOOD.replace("domain: iknl.nl", "domain: iknl.org")
    .replace("firstname: Ad", "firstname: Add")
    .replace("roles: [Viewer]", "roles: [Researcher, super]")
    .replace("encrypted: false", "encrypted: true")
    .replace("a2V5", "bmV3ZXI=")
)
ROLES = """\
roles:
  - {name: Auditor, description: Looks on, rules: [task/view/global, result/view/global]}
organizations:
  - name: IKNL
    roles:
      - {name: Boss, rules: all}
      - {name: Nobody}
    users:
      - {username: ann, password: p, roles: [Auditor, Boss], rules: [port/view/global]}
  - name: Small
    roles: []
    users:
      - {username: bob, password: p, roles: [{name: Boss, organization: IKNL}, {name: Auditor, organization: }]}
"""
WHOLE = """\
roles:
  - name: Auditor
    description: Looks on
    rules: [task/view/global, result/view/global]
organizations:
  - name: IKNL
    domain: iknl.nl
    roles:
      - name: Steward
        rules: all
    users:
      - username: frank
        firstname: Frank
        lastname: Martin
        email: frank@iknl.nl
        password: a-first-password
        roles: [Researcher, Auditor]
      - username: melle
        roles: [Steward]
        rules: [event/view/global]
  - name: Small
    users:
      - username: stan
        password: another-password
        roles: [{name: Steward, organization: IKNL}]
collaborations:
  - name: ZEPPELIN
    encrypted: false
    participants:
      - {name: IKNL, api_key: 0b8ad6e2-3f6c-4b0f-9d44-2f4a1c9e7a10}
      - {name: Small, api_key: new, node_name: Small's machine}
    tasks: [hello-world]
"""


def named(outcome_plan: dict[str, dict[str, list[str]]], group: str) -> dict[str, list[str]]:
    return {kind: outcome_plan[kind][group] for kind in KINDS if outcome_plan[kind][group]}


def test_a_dry_run_names_what_is_new_and_leaves_every_row_as_it_was(importer: Importer) -> None:
    before = importer.contents()
    outcome = importer.run(GOOD, "--dry-run")
    assert named(outcome.result["plan"], "created") == {
        "organizations": ["IKNL", "Small"],
        "roles": ["super of IKNL", "super of Small"],
        "users": ["admin", "stan"],
        "collaborations": ["ZEPPELIN"],
        "nodes": ["IKNL in ZEPPELIN", "Small in ZEPPELIN"],
        "tasks": ["hello-world in ZEPPELIN", "hello-moon in ZEPPELIN"],
    }
    assert importer.contents() == before
    assert outcome.lines == []


def test_a_dry_run_names_what_is_there_already(imported: Importer) -> None:
    plan = imported.run(MORE, "--dry-run").result["plan"]
    assert named(plan, "created") == {"organizations": ["Big"], "roles": ["super of Big"], "users": ["ben"]}
    assert named(plan, "unchanged")["users"] == ["admin", "stan"]
    assert named(plan, "changed") == {}


def test_the_next_run_does_what_the_dry_run_said(imported: Importer) -> None:
    plan = imported.run(MORE, "--dry-run").result["plan"]
    done = imported.run(MORE).result["imported"]
    assert done == {kind: {group: len(names) for group, names in groups.items()} for kind, groups in plan.items()}


def test_a_dry_run_takes_no_run_id_and_no_id(imported: Importer) -> None:
    imported.run(GOOD.replace("ZEPPELIN", "OTHER").replace("6141740", "6141741"), "--dry-run")
    imported.run(GOOD.replace("ZEPPELIN", "OTHER").replace("6141740", "6141741"))
    assert len(imported.rows("task", "id")) == 4
    assert imported.rows("task", "run_id") == [1, 2, 3, 4]


def test_a_dry_run_says_what_is_wrong(imported: Importer) -> None:
    outcome = imported.run(GOOD.replace("iknl.nl\n    zip", "iknl.org\n    zip"), "--dry-run")
    assert outcome.code == 4
    assert "exists with another domain ('iknl.nl')" in outcome.err


def test_a_dry_run_does_not_wait_for_whoever_is_writing(importer: Importer) -> None:
    with sync_engine(importer.url).connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE" if other.dialect.name == "sqlite" else "LOCK TABLE task IN SHARE MODE")
        other.exec_driver_sql("UPDATE organization SET domain = 'x'")
        assert importer.run(GOOD, "--dry-run").code == 0
        other.rollback()


def test_a_dry_run_of_drop_all_says_what_would_be_deleted(imported: Importer) -> None:
    imported.allow_drop_all()
    before = imported.contents()
    result = imported.run(GOOD, "--drop-all", "--dry-run").result
    assert result["deleted"] == {
        "organizations": 3,
        "roles": 9,
        "users": 3,
        "collaborations": 1,
        "nodes": 2,
        "tasks": 2,
        "results": 4,
    }
    assert result["plan"]["users"]["created"] == ["admin", "stan"]
    assert imported.contents() == before


def test_update_changes_what_exists_to_what_the_file_says(imported: Importer) -> None:
    result = imported.run(CHANGED, "--update").result["imported"]
    assert {kind: count["changed"] for kind, count in result.items() if count["changed"]} == {
        "organizations": 1,
        "users": 2,
        "collaborations": 1,
    }
    assert ("IKNL", "iknl.org", b"newer") in imported.rows("organization", "name", "domain", "public_key")
    assert ("admin", "Add", "Min") in imported.rows("user", "username", "firstname", "lastname")
    assert imported.rows("collaboration", "encrypted") == [True]
    assert '"Researcher", "super"' in json.dumps(users_of(imported)["stan"]["roles"])


def users_of(importer: Importer) -> dict[str, dict[str, Any]]:
    document = json.loads(importer.export("json"))
    return {user["username"]: user for one in document["organizations"] for user in one.get("users", ())}


def test_an_update_leaves_the_file_and_the_database_agreeing(imported: Importer) -> None:
    imported.run(CHANGED, "--update")
    before = imported.contents()
    for options in ([], ["--update"]):
        outcome = imported.run(CHANGED, *options)
        assert not any(count["created"] + count["changed"] for count in outcome.result["imported"].values())
    assert imported.contents() == before


def test_an_update_leaves_what_the_file_does_not_speak_of(imported: Importer) -> None:
    before = imported.rows("user", "username", "password", "email"), imported.rows("node", "api_key_id")
    imported.run("organizations: [{name: IKNL, domain: , users: [{username: admin}]}]", "--update")
    assert (imported.rows("user", "username", "password", "email"), imported.rows("node", "api_key_id")) == before
    assert ("IKNL", "iknl.nl", b"key") in imported.rows("organization", "name", "domain", "public_key")


def test_an_update_changes_no_api_key(imported: Importer) -> None:
    outcome = imported.run(GOOD.replace(SECOND_KEY, "123e4567-e89b-12d3-a456-426614174009"), "--update")
    assert outcome.code == 4
    assert "An import changes no API keys" in outcome.err


def test_an_update_gives_another_stamp_to_whose_rights_it_changes_and_to_nobody_else(imported: Importer) -> None:
    before = stamps(imported)
    imported.run(CHANGED, "--update")
    assert restamped(imported, before) == {"stan"}


def test_an_update_of_a_role_gives_another_stamp_to_all_who_hold_it(importer: Importer) -> None:
    importer.run(ROLES)
    before = stamps(importer)
    importer.run(ROLES.replace("rules: all", "rules: [task/view/global]"), "--update")
    assert restamped(importer, before) == {"ann", "bob"}


def stamps(importer: Importer) -> dict[int, int]:
    return dict(importer.rows("authenticatable", "id", "stamp"))


def restamped(importer: Importer, before: dict[int, int]) -> set[str]:
    """The users whose stamps are others; nodes have no name here."""
    names = dict(importer.rows("user", "id", "username"))
    return {names.get(identity, "a node") for identity, stamp in stamps(importer).items() if before[identity] != stamp}


def test_an_update_is_audited_and_keeps_the_old_public_key(imported: Importer) -> None:
    imported.run(CHANGED, "--update")
    lines = imported.rows("audit", "id", "action", "subject_type", "detail")[1:]
    assert ("public key changed", "organization", {"old": "a2V5", "by": "batch import"}) in [row[1:] for row in lines]
    assert ("user_changed", "user", {"changed": ["roles"], "by": "batch import"}) in [row[1:] for row in lines]
    assert lines[-1][1] == "batch import"
    assert lines[-1][3]["users"] == {"created": 0, "changed": 2, "unchanged": 0}
    assert "iknl.org" not in repr(lines)


def test_roles_and_rules_of_the_file_are_made(importer: Importer) -> None:
    assert importer.run(ROLES).code == 0
    exported = json.loads(importer.export("json"))
    assert exported["roles"][0]["rules"] == ["task/view/global", "result/view/global"]
    [iknl] = [one for one in exported["organizations"] if one["name"] == "IKNL"]
    assert iknl["roles"] == [{"name": "Boss", "rules": "all"}, {"name": "Nobody", "rules": []}]
    users = users_of(importer)
    assert sorted(users["ann"]["roles"]) == ["Auditor", "Boss"]
    assert users["ann"]["rules"] == ["port/view/global"]
    assert {"name": "Boss", "organization": "IKNL"} in users["bob"]["roles"]
    assert "Auditor" in users["bob"]["roles"]


def test_roles_that_are_otherwise_are_refused(importer: Importer) -> None:
    importer.run(ROLES)
    outcome = importer.run(ROLES.replace("rules: all", "rules: []").replace("Looks on", "Looks away"))
    said = "Make the file agree, or import it with --update to change what exists"
    assert outcome.lines == [
        f"file.yaml:2: roles[0].description: the role 'Auditor' exists with another description ('Looks on'). {said}",
        f"file.yaml:6: organizations[0].roles[0].name: the role 'Boss' exists with other rules (53). {said}",
    ]


def test_an_organization_with_roles_of_its_own_gets_the_role_super_only_where_it_is_needed(importer: Importer) -> None:
    importer.run("organizations: [{name: A, roles: []}, {name: B, roles: [], users: [{username: b, password: p}]}]")
    assert [row for row in importer.rows("role", "id", "name") if row[1] == "super"] != []
    assert len([row for row in importer.rows("role", "id", "name") if row[1] == "super"]) == 1


def test_a_user_without_a_password_cannot_sign_in_with_any_and_is_counted(importer: Importer) -> None:
    outcome = importer.run("organizations: [{name: A, users: [{username: a}, {username: b, password: p}]}]")
    assert outcome.result["without_password"] == 1
    hashes = dict(importer.rows("user", "username", "password"))
    assert hashes["a"].startswith("$argon2id$")
    assert not any(verify_password(hashes["a"], word) for word in ("", "None", "p", "a", hashes["a"]))


def test_weak_password_of_a_new_user_is_named_with_its_line_and_works(importer: Importer) -> None:
    file = """\
organizations:
  - name: A
    users:
      - {username: ada, password: short}
      - {username: ben, password: My-Ben-1-word}
      - {username: cor, password: P@ssw0rd}
      - {username: dan, password: Quiet-Meadow-27}
      - username: eve
        password:
          word
      - username: fay
"""
    said = "It works all the same: have the user change it, or write another one before you import the file"
    weak = [
        f"file.yaml:{line}: organizations[0].users[{index}].password: this password is weak: it must {problem}. {said}"
        for index, line, problem in (
            (0, 4, "have at least 8 characters"),
            (1, 5, "not contain the username"),
            (2, 6, "not be one of the 10,000 most common passwords"),
            (4, 9, "have at least 8 characters"),
        )
    ]
    assert importer.run(file, "--dry-run").result["weak_passwords"] == weak
    assert importer.run(file).result["weak_passwords"] == weak
    assert verify_password(dict(importer.rows("user", "username", "password"))["ada"], "short")
    assert importer.run(file).result["weak_passwords"] == []


def test_a_new_api_key_is_made_shown_once_and_stored_nowhere(importer: Importer) -> None:
    file = GOOD.replace(FIRST_KEY, "new")
    outcome = importer.run(file)
    [made] = outcome.result["api_keys"]
    assert (made["organization"], made["collaboration"]) == ("IKNL", "ZEPPELIN")
    assert made["api_key"] not in repr(importer.contents())
    assert made["api_key"] not in outcome.err
    again = importer.run(file)
    assert again.result["api_keys"] == []
    assert importer.run(GOOD.replace(FIRST_KEY, made["api_key"])).result["imported"]["nodes"]["unchanged"] == 2


def test_a_participant_without_a_node(importer: Importer) -> None:
    outcome = importer.run(GOOD.replace(FIRST_KEY, "none"))
    assert outcome.result["imported"]["nodes"] == {"created": 1, "changed": 0, "unchanged": 0}
    assert len(importer.rows("member", "organization_id")) == 2
    # Only who has a node is asked.
    assert len(importer.rows("result", "id")) == 2


def test_example_tasks_are_counted_by_image(imported: Importer) -> None:
    outcome = imported.run(GOOD.replace("[hello-world, hello-moon]", "[hello-world, hello-world, hello-mars]"))
    assert outcome.result["imported"]["tasks"] == {"created": 2, "changed": 0, "unchanged": 1}
    images = imported.rows("task", "id", "image")
    assert [image for _, image in images] == ["hello-world", "hello-moon", "hello-world", "hello-mars"]
    assert len(imported.rows("outbox", "id")) == 8


def test_json_is_read_as_json_with_line_numbers(importer: Importer) -> None:
    document = '{"organizations": [\n  {"name": "a\u2028b\u0085\u007f"},\n  {"nam": "x"},\n  {"name": 5, "users": 1}]}'
    outcome = importer.run(document, label="file.json")
    assert [line.split(": ")[0] for line in outcome.lines] == ["file.json:3", "file.json:3", "file.json:4"]
    assert importer.run(document.split(',\n  {"nam"')[0] + "]}").code == 0
    assert "a\u2028b\u0085\u007f" in importer.rows("organization", "name")


WRONG_JSON = {
    '{"organizations": [\n{"name": "a"}': "1: this is not JSON: a bracket or a brace is not closed. Close it",
    '{"organizations": [\n{"name": "a"},\n]}': "3: this is not JSON: no value begins like this. "
    "Put a text in double quotes",
    '{"organizations":\n [{name: a}]}': "2: this is not JSON: a key in double quotes is missing. "
    "Write it, or remove the comma before it",
    '{"organizations":\n [{"name" "a"}]}': "2: this is not JSON: the colon after a key is missing. Write it",
    '{"organizations":\n\n [{"name": "a\n"}]}': "3: this is not JSON: a text holds what JSON does not allow there. "
    "Write a line break as \\n, and a backslash as \\\\",
    '{"a": 1\n "b": 2}': "2: this is not JSON: a comma is missing here. "
    "Write it, or close the bracket or brace before it",
    "{}\n{}": "2: this is not JSON: there is more after the end of the document. Keep one document",
    '{"organizations":\n"\\ud800"}': "2: a text holds half of a surrogate pair. Write the whole character",
    "organizations: []": "1: this is not JSON: no value begins like this. Put a text in double quotes",
    "[" * 100: "1: the file is nested too deeply. An import file has five levels",
}


@pytest.mark.parametrize("content", WRONG_JSON)
def test_a_file_named_json_that_is_none_is_refused_in_the_words_of_json(
    importer_on_sqlite: Importer, content: str
) -> None:
    outcome = importer_on_sqlite.run(content, label="file.json")
    assert (outcome.code, outcome.lines) == (4, [f"file.json:{WRONG_JSON[content]}"])


def test_a_file_that_is_too_large_is_refused(importer_on_sqlite: Importer) -> None:
    outcome = importer_on_sqlite.run(b"#" * ((32 << 20) + 1))
    assert (outcome.code, outcome.lines) == (
        4,
        ["file.yaml:1: the file is larger than 32 MiB. Split it into files that can be imported one after the other"],
    )


def test_a_thousand_users_are_imported_and_found_again(importer: Importer) -> None:
    users = [{"username": f"u{number}", "email": f"u{number}@a.nl", "roles": ["Viewer"]} for number in range(1000)]
    organizations = [{"name": f"o{at}", "roles": [], "users": users[at::10]} for at in range(10)]
    file = json.dumps({"organizations": organizations})
    assert importer.run(file).result["imported"]["users"]["created"] == 1000
    assert importer.run(file).result["imported"]["users"]["unchanged"] == 1000


def test_all_that_a_file_may_hold_comes_out_of_the_database_as_it_went_in(importer: Importer) -> None:
    assert importer.run(WHOLE, "--dry-run").code == 0
    result = importer.run(WHOLE).result
    assert {kind: count["created"] for kind, count in result["imported"].items()} == {
        "organizations": 2,
        "roles": 3,
        "users": 3,
        "collaborations": 1,
        "nodes": 2,
        "tasks": 1,
    }
    assert (result["without_password"], len(result["api_keys"])) == (1, 1)
    users = users_of(importer)
    assert sorted(users["frank"]["roles"]) == ["Auditor", "Researcher"]
    assert users["stan"]["roles"] == [{"name": "Steward", "organization": "IKNL"}]


def test_nothing_shows_a_plan_by_accident() -> None:
    # asyncio takes the text of every result; that of a large file took a gigabyte.
    plan = Plan([], [], [], [], [], [], [], [], {"users": Tally(["somebody"])})
    assert "somebody" not in repr(Done(plan))
