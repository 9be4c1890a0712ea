"""Back into one's account by mail, with the user clients of both generations."""

from collections.abc import Callable
from typing import Any

from support.arrange import PASSWORD as ARRANGED
from support.arrange import Arrangement
from support.clients import run_client
from support.codes import code_of
from support.collaborations import PASSWORD, World
from support.gateway import Server
from support.mail import Mailbox, token_in
from support.services import unique

Run = Callable[..., Any]
Person = Callable[..., str]
NEW = "Another-2-word"
NEWER = "3.11.1"


def test_a_lost_password_leads_by_mail_to_a_new_sign_in(
    run: Run, world: World, person: Person, mailbox: Mailbox
) -> None:
    name = person(world.sites[0].id, "Viewer")
    asked = run(
        """
        from vantage6.client import UserClient
        answer = [UserClient(host, port, "/api").util.reset_my_password(username=name), sent]
        """,
        name=name,
    )
    assert isinstance(asked[0]["msg"], str)
    assert asked[1] == [["POST", "/api/recover/lost", 200]]
    token = token_in(mailbox.next_to(f"{name}@example.org"))
    answer = run(
        """
        from vantage6.client import UserClient
        answer = {"set": UserClient(host, port, "/api").util.set_my_password(token, new)}
        answer["sent"] = list(sent)
        answer["who"] = sign_in(name, new).whoami.name
        try:
            sign_in(name, old)
        except Exception as error:
            answer["old"] = type(error).__name__
        """,
        name=name,
        token=token,
        old=PASSWORD,
        new=NEW,
    )
    assert isinstance(answer["set"]["msg"], str)
    assert answer["sent"] == [["POST", "/api/recover/reset", 200]]
    assert (answer["who"], answer["old"]) == ("Ada", "AuthenticationException")


def test_an_unknown_address_is_answered_like_a_known_one(run: Run, world: World, person: Person) -> None:
    name = person(world.sites[0].id, "Viewer")
    answer = run(
        """
        from vantage6.client import UserClient
        answer = [UserClient(host, port, "/api").util.reset_my_password(email=one) for one in addresses]
        """,
        addresses=[f"{name}@example.org", f"{unique('nobody')}@example.org"],
    )
    assert answer[0] == answer[1]


def test_a_lost_second_factor_is_replaced_by_mail(guarded: Server, mailbox: Mailbox) -> None:
    there = Arrangement(guarded.services)
    name = unique("ada")
    user = there.user(there.organization(), username=name, roles=[there.role_id("Viewer")])

    def secret() -> str:
        return str(there.rows('SELECT otp_secret FROM "user" WHERE id = :id', id=user)[0]["otp_secret"])

    enrol = """
        from vantage6.client import UserClient
        client = UserClient(host, port, "/api")
        client.authenticate(name, password)
        answer = [client._access_token, sent]
    """
    assert run_client(NEWER, enrol, server=guarded, name=name, password=ARRANGED) == [
        None,
        [["POST", "/api/token/user", 200]],
    ]
    assert mailbox.next_to(f"{name}@mail", "second factor was set up anew")
    first = secret()
    lose = """
        from vantage6.client import UserClient
        client = UserClient(host, port, "/api")
        client.authenticate(name, password, mfa_code=code)
        answer = [client.whoami.id_, client.util.reset_two_factor_auth(password, username=name)]
    """
    code = code_of(first)
    signed_in, said = run_client(NEWER, lose, server=guarded, name=name, password=ARRANGED, code=code)
    assert (signed_in, isinstance(said["msg"], str)) == (user, True)
    token = token_in(mailbox.next_to(f"{name}@mail", "Set up a new second factor"))
    replace = """
        from vantage6.client import UserClient
        answer = [UserClient(host, port, "/api").util.set_two_factor_auth(token), sent]
    """
    new, sent = run_client(NEWER, replace, server=guarded, token=token)
    assert sent == [["POST", "/api/recover/2fa/reset", 200]]
    assert new["otp_secret"] == secret() != first
    again = """
        from vantage6.client import UserClient
        answer = []
        for code in codes:
            client = UserClient(host, port, "/api")
            try:
                client.authenticate(name, password, mfa_code=code)
                answer.append(client.whoami.id_)
            except Exception as error:
                answer.append(type(error).__name__)
    """
    codes = [code_of(one) for one in (first, new["otp_secret"])]
    answer = run_client(NEWER, again, server=guarded, name=name, password=ARRANGED, codes=codes)
    assert answer == ["AuthenticationException", user]
