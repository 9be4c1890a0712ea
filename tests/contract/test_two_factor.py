"""Two-factor sign-in with the newer user client; the older one knows no second factor."""

from support.arrange import PASSWORD, Arrangement
from support.clients import run_client
from support.codes import code_of
from support.gateway import Server
from support.services import unique

VERSION = "3.11.1"


def test_the_client_shows_the_factor_asks_for_the_code_and_signs_in_with_it(guarded: Server) -> None:
    there, name = Arrangement(guarded.services), unique("ada")
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
        server=guarded,
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
        server=guarded,
        name=name,
        password=PASSWORD,
        code=code,
    )
    assert after == [user, "AuthenticationException", ["POST", "/api/token/user", 401]]
