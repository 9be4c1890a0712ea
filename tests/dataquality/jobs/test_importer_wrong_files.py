"""Every wrong value of an import file, with all that is said of it; and that the database stays as it was."""

import pytest

from support.importing import FIRST_KEY, GOOD, SECOND_KEY, Importer

BEGIN = "Begin it with `organizations:`, as the manual's example does"
LIST = "List some under `organizations:` or `collaborations:`"
COLON = "a colon where no key may stand. Check the indentation, and put a text that holds a colon and a blank in quotes"
TOP = "Write keys and values: roles: ..., organizations: ..., collaborations: ..."
DASH = "each beginning with a dash"
ORGANIZATION_KEYS = (
    "Write keys and values: name: ..., domain: ..., address1: ..., address2: ..., zipcode: ..., country: ..., "
    "public_key: ..., roles: ..., users: ..."
)
USER_KEYS = (
    "Write keys and values: username: ..., password: ..., firstname: ..., lastname: ..., email: ..., roles: ..., "
    "rules: ..."
)
COLLABORATION_KEYS = "Write keys and values: name: ..., encrypted: ..., participants: ..., tasks: ..."
PASSWORD = "Write one, or remove the key: then the user has none until it is set over the API or by mail"
TEXT = "Write a text, in quotes where in doubt"
TEXTS = "Write a list of texts such as [a, b]"
BOOLEAN = "Write true or false, without quotes"
REMOVE = "Write a text or remove the entry"
ONE = "Remove one of the two"
CHANGE = "Change or remove one of the two"
KEY = "the public key is not base64. Paste the key's base64 text on one line, or leave it empty"
ROLES = "There are Collaboration Admin, Organization Admin, Researcher, Root, Viewer, container, node, super"
NOBODY = "the collaboration has no participants. List them with their name and api_key, or write [] for none"
ADD = "Add it under `organizations:`, or correct the name"
MAKE = (
    "Make one, for example with `python -c 'import uuid; print(uuid.uuid4())'`, or write `new` to have it made, "
    "or `none` for a participant without a node"
)
RULES = "Write a list of rules such as [node/view/global, node/view/organization]"
UUID = f"the API key is not a UUID in lower case with its dashes. {MAKE}"

ORGANIZATION = "organizations:\n- name: A\n"
USER = ORGANIZATION + "  users:\n  - username: u\n    password: secret-word\n"
COLLABORATION = ORGANIZATION + "collaborations:\n- name: C\n"
PARTICIPANT = f"{COLLABORATION}  participants:\n  - name: A\n    api_key: {FIRST_KEY}\n"

# What is in the file, and what is said of it after the file's name.
WRONG: dict[str, tuple[str | bytes, list[str]]] = {
    "an empty file": ("", [f"1: the file is empty. {BEGIN}"]),
    "a file of comments": ("# nothing\n\n", [f"1: the file is empty. {BEGIN}"]),
    "nothing to import": ("organizations: []\ncollaborations:\n", [f"1: there is nothing to import. {LIST}"]),
    "an empty mapping": ("{}", [f"1: there is nothing to import. {LIST}"]),
    "not UTF-8": (b"organizations:\n- name: \xff\n", ["2: the file is not UTF-8 text. Save it in UTF-8"]),
    "a control character": (
        'organizations:\n- name: "a\x07"\n',
        ["1: this is not YAML: it holds a control character. Remove it"],
    ),
    "a bracket that is not closed": (
        "organizations: [\n",
        ["2: this is not YAML: a quote or a bracket is not closed. Close it"],
    ),
    "a quote that is not closed": (
        "organizations:\n- name: 'A\n\n\n",
        ["2: this is not YAML: a quote or a bracket is not closed. Close it"],
    ),
    "JSON that is cut off": (
        '{"organizations": [{"name": "A"}',
        ["1: this is not YAML: a quote or a bracket is not closed. Close it"],
    ),
    "a key without a colon": ("organizations\n- name: A\n", [f"2: this is not YAML: {COLON}"]),
    "a tab": (
        "organizations:\n\t- name: A\n",
        ["2: this is not YAML: a tab where only blanks may stand. Indent with blanks"],
    ),
    "a colon in a text": (ORGANIZATION + "  domain: a: b\n", [f"3: this is not YAML: {COLON}"]),
    "a text that starts with @": (
        "organizations:\n- name: @secret-word\n",
        ["2: this is not YAML: no value may start with this character. Put the text in quotes"],
    ),
    "an unknown alias": (
        USER.replace("secret-word", "*secret-word"),
        ["5: this is not YAML: a * that refers to no anchor. Put a text that starts with * in quotes"],
    ),
    "two documents": (
        ORGANIZATION + "---\n" + ORGANIZATION,
        ["3: a second YAML document begins here. Keep one: remove the line of --- before it"],
    ),
    "deep nesting": (
        "organizations: " + "[" * 1000 + "]" * 1000,
        ["1: the file is nested too deeply. An import file has five levels"],
    ),
    "a list at the top": ("- name: A\n", [f"1: a list stands here. {TOP}"]),
    "a text at the top": ("hello\n", [f"1: a text stands here. {TOP}"]),
    "a number at the top": ("12\n", [f"1: a number stands here. {TOP}"]),
    "an unknown key at the top": (
        ORGANIZATION + "organisations: []\n",
        ["3: organisations: this key is not known. Did you mean 'organizations'?"],
    ),
    "a key unlike any": (
        ORGANIZATION + "xyz: []\n",
        ["3: xyz: this key is not known. Known keys are roles, organizations, collaborations"],
    ),
    "organizations as text": (
        "organizations: A\n",
        [f"1: organizations: a text stands here. Write a list of organizations, {DASH}"],
    ),
    "organizations as a mapping": (
        "organizations:\n  name: A\n",
        [f"1: organizations: a group of keys stands here. Write a list of organizations, {DASH}"],
    ),
    "an organization as text": (
        "organizations:\n- A\n",
        [f"2: organizations[0]: a text stands here. {ORGANIZATION_KEYS}"],
    ),
    "an empty entry": ("organizations:\n-\n", [f"2: organizations[0]: nothing stands here. {ORGANIZATION_KEYS}"]),
    "an organization without a name": (
        "organizations:\n- domain: a.nl\n",
        ["2: organizations[0].name: this is missing. Give the organization a name"],
    ),
    "an organization with an empty name": (
        "organizations:\n- name:\n",
        ["2: organizations[0].name: this is empty. Give the organization a name"],
    ),
    "an organization named by a list": (
        "organizations:\n- name: [A]\n",
        [f"2: organizations[0].name: a list stands here. {TEXT}"],
    ),
    "an organization named by a mapping": (
        "organizations:\n- name: {first: A}\n",
        [f"2: organizations[0].name: a group of keys stands here. {TEXT}"],
    ),
    "a country that YAML takes for false": (
        ORGANIZATION + "  country: NO\n",
        ["3: organizations[0].country: YAML reads this word as false. Put it in quotes"],
    ),
    "a text with a tag": (
        "organizations:\n- name: !!binary secret-word\n",
        [f"2: organizations[0].name: a value with a YAML tag (the word that starts with !) stands here. {TEXT}"],
    ),
    "a text with NUL": (
        'organizations:\n- name: "a\\0"\n',
        ["2: organizations[0].name: this holds the character NUL. Remove it"],
    ),
    "a very long text": (
        USER + f"    firstname: {'a' * 501}\n",
        ["6: organizations[0].users[0].firstname: this is longer than 500 characters. Shorten it"],
    ),
    "an unknown key of an organization": (
        ORGANIZATION + "  adress1: x\n",
        ["3: organizations[0].adress1: this key is not known. Did you mean 'address1'?"],
    ),
    "a key twice": (
        ORGANIZATION + "  domain: a\n  domain: b\n",
        [f"4: organizations[0].domain: this key stands on line 3 already. {ONE}"],
    ),
    "a merge": (
        "organizations:\n- &a\n  name: A\n- <<: *a\n  name: B\n",
        ["4: organizations[1].<<: <<: is not taken here. Write the keys out"],
    ),
    "a public key that is not base64": (
        ORGANIZATION + "  public_key: secret-word\n",
        [f"3: organizations[0].public_key: {KEY}"],
    ),
    "a public key without padding": (ORGANIZATION + "  public_key: a2V\n", [f"3: organizations[0].public_key: {KEY}"]),
    "a public key with stray bits": (ORGANIZATION + "  public_key: QR==\n", [f"3: organizations[0].public_key: {KEY}"]),
    "a public key as a list": (
        ORGANIZATION + "  public_key: [a2V5]\n",
        [f"3: organizations[0].public_key: a list stands here. {TEXT}"],
    ),
    "an organization twice": (
        ORGANIZATION + "- name: B\n- name: A\n",
        [f"4: organizations[2].name: line 2 has an organization of this name already. {CHANGE}"],
    ),
    "users as text": (
        ORGANIZATION + "  users: u\n",
        [f"3: organizations[0].users: a text stands here. Write a list of users, {DASH}"],
    ),
    "a user as text": (
        ORGANIZATION + "  users: [u]\n",
        [f"3: organizations[0].users[0]: a text stands here. {USER_KEYS}"],
    ),
    "a user without a name": (
        ORGANIZATION + "  users:\n  - password: secret-word\n",
        ["4: organizations[0].users[0].username: this is missing. Give the user a name to sign in with"],
    ),
    "a user with an empty password": (
        USER.replace("secret-word", "''"),
        [f"5: organizations[0].users[0].password: this is empty. {PASSWORD}"],
    ),
    "a password that YAML takes for true": (
        USER.replace("secret-word", "yes"),
        ["5: organizations[0].users[0].password: YAML reads this word as true. Put it in quotes"],
    ),
    "a password as a list": (
        USER.replace("secret-word", "[secret-word]"),
        [f"5: organizations[0].users[0].password: a list stands here. {TEXT}"],
    ),
    "an unknown key of a user": (
        USER + "    pasword: secret-word\n",
        ["6: organizations[0].users[0].pasword: this key is not known. Did you mean 'password'?"],
    ),
    "a username twice": (
        USER + "  - username: u\n    password: p\n",
        [f"6: organizations[0].users[1].username: line 4 has a user of this name already. {CHANGE}"],
    ),
    "a username twice in two organizations": (
        USER + "- name: B\n  users:\n  - username: u\n    password: p\n",
        [f"8: organizations[1].users[0].username: line 4 has a user of this name already. {CHANGE}"],
    ),
    "usernames that look like others": (
        ORGANIZATION + '  users:\n  - username: "u "\n  - username: "\\u200Bu"\n',
        [
            "4: organizations[0].users[0].username: this username looks like another. "
            "It must not have a blank at its end. Remove it",
            "5: organizations[0].users[1].username: this username looks like another. "
            "It must not hold the invisible character U+200B (zero width space), its character 1. Remove it",
        ],
    ),
    "an e-mail address twice": (
        USER + "    email: a@b.c\n  - username: v\n    password: p\n    email: a@b.c\n",
        [f"9: organizations[0].users[1].email: line 6 has a user with this e-mail address already. {CHANGE}"],
    ),
    "roles as text": (
        USER + "    roles: Viewer\n",
        [f"6: organizations[0].users[0].roles: a text stands here. {TEXTS}"],
    ),
    "an empty role": (USER + "    roles: ['']\n", [f"6: organizations[0].users[0].roles[0]: this is empty. {REMOVE}"]),
    "a role that is not there": (
        USER + "    roles: [viewr]\n",
        ["6: organizations[0].users[0].roles[0]: there is no role 'viewr'. Did you mean 'Viewer'?"],
    ),
    "a role unlike any": (
        USER + "    roles: [xyz]\n",
        [f"6: organizations[0].users[0].roles[0]: there is no role 'xyz'. {ROLES}"],
    ),
    "a role twice": (
        USER + "    roles: [Viewer, Viewer]\n",
        [f"6: organizations[0].users[0].roles[1]: line 6 has this role of the user already. {CHANGE}"],
    ),
    "a role as a list": (
        USER + "    roles: [[Viewer]]\n",
        [f"6: organizations[0].users[0].roles[0]: a list stands here. {TEXT}"],
    ),
    "a role of an organization without a name": (
        USER + "    roles: [{organization: A}]\n",
        ["6: organizations[0].users[0].roles[0].name: this is missing. Name a role"],
    ),
    "an unknown key of a user's role": (
        USER + "    roles: [{name: Viewer, organisation: A}]\n",
        ["6: organizations[0].users[0].roles[0].organisation: this key is not known. Did you mean 'organization'?"],
    ),
    "a role of an organization that is not there": (
        USER + "    roles: [{name: super, organization: Aa}]\n",
        ["6: organizations[0].users[0].roles[0].name: there is no organization 'Aa'. Did you mean 'A'?"],
    ),
    "a role that another organization does not have": (
        USER + "    roles: [{name: boss, organization: B}]\n- name: B\n",
        ["6: organizations[0].users[0].roles[0].name: there is no role 'boss'. There are super"],
    ),
    "a role that is not there for all": (
        USER + "    roles: [{name: super, organization: }]\n",
        [
            "6: organizations[0].users[0].roles[0].name: there is no role 'super'. There are Collaboration Admin, "
            "Organization Admin, Researcher, Root, Viewer, container, node"
        ],
    ),
    "a rule that is not there": (
        USER + "    rules: [task/view/organisation]\n",
        [
            "6: organizations[0].users[0].rules[0]: there is no rule 'task/view/organisation'. "
            "Did you mean 'task/view/organization'?"
        ],
    ),
    "a rule unlike any": (
        USER + "    rules: [xyz]\n",
        [
            "6: organizations[0].users[0].rules[0]: there is no rule 'xyz'. "
            "A rule has a form like task/view/organization"
        ],
    ),
    "a rule twice": (
        USER + "    rules: [task/view/global, task/view/global]\n",
        [f"6: organizations[0].users[0].rules[1]: line 6 has this rule of the user already. {CHANGE}"],
    ),
    "all rules for a user": (
        USER + "    rules: all\n",
        [f"6: organizations[0].users[0].rules: a text stands here. {RULES}"],
    ),
    "rules of a role as a text": (
        ORGANIZATION + "  roles:\n  - {name: boss, rules: most}\n",
        [
            "4: organizations[0].roles[0].rules: a text stands here. "
            "Write `all`, or a list of rules such as [node/view/global, node/view/organization]"
        ],
    ),
    "a role without a name": (
        ORGANIZATION + "  roles:\n  - rules: all\n",
        ["4: organizations[0].roles[0].name: this is missing. Give the role a name"],
    ),
    "a role of an organization twice": (
        ORGANIZATION + "  roles:\n  - {name: boss}\n  - {name: boss}\n",
        [f"5: organizations[0].roles[1].name: line 4 has a role of this name already. {CHANGE}"],
    ),
    "a role for all twice": (
        ORGANIZATION + "roles:\n- {name: boss}\n- {name: boss}\n",
        [f"5: roles[1].name: line 4 has a role of this name already. {CHANGE}"],
    ),
    "a built-in role": (
        ORGANIZATION + "roles:\n- {name: Viewer, rules: all}\n",
        ["4: roles[0].name: 'Viewer' is a built-in role, which nobody changes. Remove it, or choose another name"],
    ),
    "a built-in role's name for an organization's": (
        ORGANIZATION + "  roles:\n  - {name: Root, rules: all}\n",
        ["4: organizations[0].roles[0].name: the name 'Root' belongs to a built-in role. Choose another"],
    ),
    "the first user's name": (
        USER.replace("username: u", "username: root"),
        [
            "4: organizations[0].users[0].username: a user 'root' exists in another organization. "
            "Choose another username"
        ],
    ),
    "the first user's e-mail address": (
        USER + "    email: root@domain.ext\n",
        ["6: organizations[0].users[0].email: the user 'root' has this e-mail address already. Use another"],
    ),
    "collaborations as text": (
        ORGANIZATION + "collaborations: C\n",
        [f"3: collaborations: a text stands here. Write a list of collaborations, {DASH}"],
    ),
    "a collaboration as text": (
        "collaborations:\n- C\n",
        [f"2: collaborations[0]: a text stands here. {COLLABORATION_KEYS}"],
    ),
    "a collaboration without a name": (
        PARTICIPANT.replace("- name: C\n  part", "- part"),
        ["4: collaborations[0].name: this is missing. Give the collaboration a name"],
    ),
    "a collaboration without participants": (COLLABORATION, [f"4: collaborations[0].participants: {NOBODY}"]),
    "tasks that nobody can work on": (
        PARTICIPANT.replace(FIRST_KEY, "none") + "  tasks: [hello-world]\n",
        [
            "8: collaborations[0].tasks: no participant has a node to work on these. "
            "Give one an api_key, or remove the tasks"
        ],
    ),
    "participants as text": (
        COLLABORATION + "  participants: A\n",
        [f"5: collaborations[0].participants: a text stands here. Write a list of participants, {DASH}"],
    ),
    "a participant as text": (
        COLLABORATION + "  participants: [A]\n",
        [
            "5: collaborations[0].participants[0]: a text stands here. "
            "Write keys and values: name: ..., api_key: ..., node_name: ..."
        ],
    ),
    "a participant without a name": (
        COLLABORATION + f"  participants:\n  - api_key: {FIRST_KEY}\n",
        ["6: collaborations[0].participants[0].name: this is missing. Name an organization"],
    ),
    "a participant without a key": (
        COLLABORATION + "  participants:\n  - name: A\n",
        [f"6: collaborations[0].participants[0].api_key: this is missing. {MAKE}"],
    ),
    "a participant with an empty key": (
        PARTICIPANT.replace(FIRST_KEY, ""),
        [f"7: collaborations[0].participants[0].api_key: this is empty. {MAKE}"],
    ),
    "a participant that is no organization": (
        PARTICIPANT.replace("name: A\n    api", "name: Aa\n    api"),
        ["6: collaborations[0].participants[0].name: there is no organization 'Aa'. Did you mean 'A'?"],
    ),
    "a participant unlike any": (
        PARTICIPANT.replace("name: A\n    api", "name: xyz\n    api"),
        [f"6: collaborations[0].participants[0].name: there is no organization 'xyz'. {ADD}"],
    ),
    "a participant twice": (
        PARTICIPANT + f"  - name: A\n    api_key: {SECOND_KEY}\n",
        [
            "8: collaborations[0].participants[1].name: line 6 has this participant of the collaboration already. "
            f"{CHANGE}"
        ],
    ),
    "an API key that is no UUID": (
        PARTICIPANT.replace(FIRST_KEY, "secret-word"),
        [f"7: collaborations[0].participants[0].api_key: {UUID}"],
    ),
    "an API key in upper case": (
        PARTICIPANT.replace(FIRST_KEY, FIRST_KEY.upper()),
        [f"7: collaborations[0].participants[0].api_key: {UUID}"],
    ),
    "an API key without dashes": (
        PARTICIPANT.replace(FIRST_KEY, FIRST_KEY.replace("-", "")),
        [f"7: collaborations[0].participants[0].api_key: {UUID}"],
    ),
    "an API key in braces": (
        PARTICIPANT.replace(FIRST_KEY, f"'{{{FIRST_KEY}}}'"),
        [f"7: collaborations[0].participants[0].api_key: {UUID}"],
    ),
    "an API key as a number": (
        PARTICIPANT.replace(FIRST_KEY, "123"),
        [f"7: collaborations[0].participants[0].api_key: {UUID}"],
    ),
    "an API key twice": (
        GOOD.replace(SECOND_KEY, FIRST_KEY),
        [f"22: collaborations[0].participants[1].api_key: line 20 has a node with this API key already. {CHANGE}"],
    ),
    "an unknown key of a participant": (
        PARTICIPANT + "    apikey: secret-word\n",
        ["8: collaborations[0].participants[0].apikey: this key is not known. Did you mean 'api_key'?"],
    ),
    "encrypted as text": (
        PARTICIPANT + "  encrypted: 'true'\n",
        [f"8: collaborations[0].encrypted: a text stands here. {BOOLEAN}"],
    ),
    "encrypted as a number": (
        PARTICIPANT + "  encrypted: 1\n",
        [f"8: collaborations[0].encrypted: a number stands here. {BOOLEAN}"],
    ),
    "encrypted as a list": (
        PARTICIPANT + "  encrypted: [true]\n",
        [f"8: collaborations[0].encrypted: a list stands here. {BOOLEAN}"],
    ),
    "tasks as text": (
        PARTICIPANT + "  tasks: hello-world\n",
        [f"8: collaborations[0].tasks: a text stands here. {TEXTS}"],
    ),
    "a task as a mapping": (
        PARTICIPANT + "  tasks:\n  - image: hello-world\n",
        [f"9: collaborations[0].tasks[0]: a group of keys stands here. {TEXT}"],
    ),
    "an empty task": (
        PARTICIPANT + "  tasks: [hello-world, '']\n",
        [f"8: collaborations[0].tasks[1]: this is empty. {REMOVE}"],
    ),
    "a task as a boolean": (
        PARTICIPANT + "  tasks: [true]\n",
        ["8: collaborations[0].tasks[0]: YAML reads this word as true. Put it in quotes"],
    ),
    "an unknown key of a collaboration": (
        PARTICIPANT + "  encypted: true\n",
        ["8: collaborations[0].encypted: this key is not known. Did you mean 'encrypted'?"],
    ),
    "a collaboration twice": (
        PARTICIPANT + f"- name: C\n  participants:\n  - name: A\n    api_key: {SECOND_KEY}\n",
        [f"8: collaborations[1].name: line 4 has a collaboration of this name already. {CHANGE}"],
    ),
    "JSON with a wrong value": (
        '{"organizations": [\n {"name": true}]}',
        ["2: organizations[0].name: YAML reads this word as true. Put it in quotes"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_with_all_that_is_wrong(importer_on_sqlite: Importer, name: str) -> None:
    content, said = WRONG[name]
    before = importer_on_sqlite.contents()
    outcome = importer_on_sqlite.run(content)
    assert outcome.lines == [f"file.yaml:{line}" for line in said]
    assert (outcome.code, outcome.out) == (4, "")
    assert importer_on_sqlite.contents() == before
    assert "secret-word" not in outcome.err


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines(importer_on_sqlite: Importer) -> None:
    content = f"""\
organisations: []
organizations:
- name: A
  country: NO
  users:
  - username: u
  - username: u
    password: p
    roles: [nobody-at-all]
collaborations:
- name: C
  encrypted: 2
  participants:
  - name: B
    api_key: {FIRST_KEY[:-1]}
"""
    lines = importer_on_sqlite.run(content).lines
    assert [line.split(": ")[:2] for line in lines] == [
        ["file.yaml:1", "organisations"],
        ["file.yaml:4", "organizations[0].country"],
        ["file.yaml:7", "organizations[0].users[1].username"],
        ["file.yaml:9", "organizations[0].users[1].roles[0]"],
        ["file.yaml:12", "collaborations[0].encrypted"],
        ["file.yaml:14", "collaborations[0].participants[0].name"],
        ["file.yaml:15", "collaborations[0].participants[0].api_key"],
    ]
