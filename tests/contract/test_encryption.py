"""Encryption from end to end with the parties' own keys and code; the server passes on what it cannot read."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.clients import python_of, run_client
from support.collaborations import PASSWORD, World, new_world
from support.gateway import Server
from support.nodes import running_node

Run = Callable[..., Any]
Person = Callable[..., str]

MAKE_KEY = """
    client = sign_in(name, password)
    client.util.generate_private_key(file)
    answer = [client.cryptor.public_key_str, client.organization.get()["public_key"]]
"""
TAKE_KEY = """
    client = sign_in(name, password)
    client.setup_encryption(file)
    answer = [client.cryptor.public_key_str, client.organization.get()["public_key"]]
"""
# The key's 4096 bits, the 16 bytes of the counter, and the text; see the contract's section on formats.
ENCRYPTED = re.compile(r"[A-Za-z0-9+/]{683}=\$[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]+=*")


@pytest.fixture
def secretive(server: Server) -> World:
    """A collaboration of two organizations that encrypts."""
    return new_world(server.services, encrypted=True)


@pytest.fixture(scope="session")
def keys(server_on_postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The private keys of two organizations: of the contract's size, which take a while to make."""
    folder = tmp_path_factory.mktemp("keys")
    files = [folder / "one.pem", folder / "other.pem"]
    script = """
        from pathlib import Path
        from vantage6.common.encryption import RSACryptor
        for file in files:
            RSACryptor.create_new_rsa_key(Path(file))
    """
    run_client("3.11.1", script, server=server_on_postgres, files=[str(file) for file in files])
    return files


def test_a_new_key_reaches_the_server_and_stays_as_it_is(
    run: Run, secretive: World, person: Person, tmp_path: Path
) -> None:
    name, file = person(secretive.sites[0].id, "Organization Admin"), tmp_path / "key.pem"
    made, stored = run(MAKE_KEY, name=name, password=PASSWORD, file=str(file))
    sent = run(
        """
        client = sign_in(name, password)
        del sent[:]
        client.setup_encryption(file)
        answer = sent
        """,
        name=name,
        password=PASSWORD,
        file=str(file),
    )
    assert stored == made
    assert base64.b64decode(stored).startswith(b"-----BEGIN PUBLIC KEY-----\n")
    # It is not sent again: the client found its own key, byte for byte.
    assert sent == [["GET", f"/api/organization/{secretive.sites[0].id}", 200]]


def test_a_client_with_another_key_replaces_the_one_that_is_there(
    run: Run, secretive: World, person: Person, keys: list[Path]
) -> None:
    admin = person(secretive.sites[0].id, "Organization Admin")
    answers = [run(TAKE_KEY, name=admin, password=PASSWORD, file=str(key)) for key in keys]
    assert [own == stored for own, stored in answers] == [True, True]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("server", "one", "other"),
    [
        ("postgres", "3.4.2", "3.4.2"),
        ("postgres", "3.11.1", "3.11.1"),
        ("postgres", "3.4.2", "3.11.1"),
        ("sqlite", "3.11.1", "3.4.2"),
    ],
    indirect=["server"],
)
def test_a_question_and_its_subtasks_are_readable_to_their_parties_alone(
    server: Server, secretive: World, person: Person, keys: list[Path], tmp_path: Path, one: str, other: str
) -> None:
    """One party asks its own node; that asks both nodes, through its proxy; all of it is encrypted."""
    for version in (one, other):
        python_of(version)
    first, second = secretive.sites
    asker = person(first.id, "Organization Admin")
    with (
        running_node(one, first, server, tmp_path, private_key=keys[0]),
        running_node(other, second, server, tmp_path, private_key=keys[1]) as partners_node,
    ):
        answer = run_client(
            one,
            """
            client = sign_in(name, password)
            client.setup_encryption(file)
            asked = {"method": "sum", "rest": organizations}
            task = client.task.create(collaboration, organizations[:1], "t", "registry.example/sum:1", "", asked)
            client.wait_for_results(task["id"], sleep=0.2)
            answer = [client.result.from_task(task["id"])[0]["result"], client.task.get(task["id"])]
            """,
            server=server,
            name=asker,
            password=PASSWORD,
            file=str(keys[0]),
            collaboration=secretive.id,
            organizations=[first.id, second.id],
        )
        partners_node.tells(lambda told: told.get("ran") == {"method": "count", "rest": 5})
    result, task = answer
    assert result == {"sum": 10}
    [subtask] = task["children"]
    stored = [
        row for asked in (task["id"], subtask["id"]) for row in secretive.root.get(f"/task/{asked}/result").json()
    ]
    assert len(stored) == 3
    assert all(ENCRYPTED.fullmatch(row["input"]) and ENCRYPTED.fullmatch(row["result"]) for row in stored)
    assert len({text for row in stored for text in (row["input"], row["result"])}) == 6
