"""Two-factor sign-in with the newer user client; the older one knows no second factor."""

from collections.abc import Iterator

import pytest

from support.arrange import PASSWORD, Arrangement
from support.clients import run_client
from support.codes import code_of
from support.databases import SqliteFiles
from support.gateway import Server, behind_gateway
from support.services import running_services, unique
from support.valkey import ValkeyServer

VERSION = "3.11.1"


@pytest.fixture(scope="module")
def asking(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that asks for a second factor."""
    folder, redis, on = tmp_path_factory.mktemp("asking"), valkey_server.database(19), "true"
    settings = {"DATAQUALITY_TWO_FACTOR_AUTH": on}
    with (
        sqlite_files.migrated_database() as url,
        running_services(folder, url, redis, ("auth", "entity"), settings) as services,
        behind_gateway(services) as server,
    ):
        yield server


def test_the_client_shows_the_factor_asks_for_the_code_and_signs_in_with_it(asking: Server) -> None:
    there, name = Arrangement(asking.services), unique("ada")
    grants = [("organization", "VIEW", "ORGANIZATION")]
    user = there.user(there.organization(), username=name, grants=grants)
    before = run_client(
        VERSION,
        """
        from vantage6.client import UserClient
        client = UserClient(host, port, "/api")
        answer = [client.authenticate(name, password), client.whoami]
        try:
            client.authenticate(name, password)
        except Exception as error:
            answer.append(str(error))
        answer.append(sent)
        """,
        server=asking,
        name=name,
        password=PASSWORD,
    )
    asked = ["POST", "/api/token/user", 200]
    assert before == [None, None, before[2], [asked, asked]]
    assert "code" in before[2]

    [row] = there.rows('SELECT otp_secret FROM "user" WHERE id = :id', id=user)
    code = code_of(row["otp_secret"])
    after = run_client(
        VERSION,
        """
        answer = [sign_in(name, password, mfa_code=code).whoami.id_]
        try:
            sign_in(name, password, mfa_code=code)
        except Exception as error:
            answer += [type(error).__name__, sent[-1]]
        """,
        server=asking,
        name=name,
        password=PASSWORD,
        code=code,
    )
    assert after == [user, "AuthenticationException", ["POST", "/api/token/user", 401]]
