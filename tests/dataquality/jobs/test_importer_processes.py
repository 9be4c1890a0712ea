"""The batch import as a process, beside others that change the database, and killed."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from dataquality.core.keys import api_key_id
from dataquality.model import Authenticatable, Collaboration, Node, Organization, member
from support.databases import sync_engine
from support.importing import FIRST_KEY, GOOD, PEPPER, Importer, contents
from support.waiting import eventually


def start(importer: Importer, folder: Path) -> "subprocess.Popen[bytes]":
    """The job as a process of its own."""
    environment = {"DATAQUALITY_SECRETS": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "dataquality.jobs.importer", "-", "--label", "file.yaml"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


ONE_NODE = f"""\
organizations:
  - name: IKNL
collaborations:
  - name: ZEPPELIN
    participants: [{{name: IKNL, api_key: {FIRST_KEY}}}]
    tasks: []
    encrypted: false
"""


def write_one_node(connection: Connection) -> None:
    """What importing `ONE_NODE` writes, but for the organization's role."""
    organization, collaboration, identity = (
        connection.execute(insert(kind).values(values).returning(kind.id)).scalar_one()
        for kind, values in (
            (Organization, {"name": "IKNL"}),
            (Collaboration, {"name": "ZEPPELIN", "encrypted": False}),
            (Authenticatable, {"type": "node"}),
        )
    )
    place = {"organization_id": organization, "collaboration_id": collaboration}
    key = api_key_id(FIRST_KEY, PEPPER)
    connection.execute(insert(member).values(place))
    nodes: Any = Node.__table__
    connection.execute(insert(nodes).values(id=identity, name="a", api_key_id=key, **place))


def is_kept_waiting(connection: Connection) -> bool:
    """Somebody waits for a lock on this database."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    found = connection.execute(text(waiting)).first()
    connection.rollback()
    return found is not None


def test_one_never_sees_half_of_what_another_writes(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    importer, engine = Importer(postgres_url, tmp_path, monkeypatch, capsys), sync_engine(postgres_url)
    job = start(importer, tmp_path)
    with ThreadPoolExecutor(1) as pool, engine.connect() as other, engine.connect() as onlooker:
        # Collaborations are looked for before the nodes, for which this lock is waited.
        other.execute(text("LOCK TABLE node IN ACCESS EXCLUSIVE MODE"))
        ended = pool.submit(job.communicate, ONE_NODE.encode(), 120)
        eventually(lambda: is_kept_waiting(onlooker))
        write_one_node(other)
        other.commit()
        _, said = ended.result()
    assert job.returncode == 0, said
    assert len(importer.rows("node", "id")) == 1


def test_two_at_once_do_not_interleave(importer: Importer, tmp_path: Path) -> None:
    jobs = [start(importer, tmp_path) for _ in range(2)]

    def finish(job: "subprocess.Popen[bytes]") -> dict[str, Any]:
        out, err = job.communicate(GOOD.encode(), timeout=120)
        assert job.returncode == 0, err
        return json.loads(out)["imported"]

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(finish, jobs))
    assert sorted(imported["organizations"]["created"] for imported in ended) == [0, 2]
    assert sorted(imported["tasks"]["created"] for imported in ended) == [0, 2]
    assert len(importer.rows("user", "id")) == 3
    assert len(importer.rows("task", "id")) == 2


def test_a_job_that_is_killed_leaves_the_database_as_it_was(importer: Importer, tmp_path: Path) -> None:
    before = importer.contents()
    many = {"organizations": [{"name": str(number)} for number in range(300)]}
    with sync_engine(importer.url).begin() as connection:
        for statement in _THE_LAST_TAKES_FOR_EVER[connection.dialect.name]:
            connection.execute(text(statement))
    job = start(importer, tmp_path)
    assert job.stdin is not None and job.stderr is not None
    job.stdin.write(json.dumps(many).encode())
    job.stdin.close()
    try:
        for line in job.stderr:
            if line.startswith(b"organizations"):
                break
    finally:
        job.kill()
    assert job.wait() == -signal.SIGKILL
    assert contents(importer.url) == before


# However late it is killed, it is in the middle of its work.
_THE_LAST_TAKES_FOR_EVER = {
    "sqlite": [
        "CREATE TRIGGER for_ever BEFORE INSERT ON organization WHEN new.name = '299' BEGIN "
        "SELECT count(*) FROM (WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) "
        "SELECT n FROM numbers); END"
    ],
    "postgresql": [
        "CREATE FUNCTION for_ever() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(3600); RETURN new; END $$",
        "CREATE TRIGGER for_ever BEFORE INSERT ON organization FOR EACH ROW WHEN (new.name = '299') "
        "EXECUTE FUNCTION for_ever()",
    ],
}
