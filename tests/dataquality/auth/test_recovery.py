"""POST recover/...: rest-api.md section 1; what users are told by mail."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyotp
import pytest

from dataquality.dispatch.celery import JobQueue
from dataquality.dispatch.names import SEND_MAIL
from support.arrange import PASSWORD, Arrangement, at_once
from support.databases import PostgresServer, SqliteFiles
from support.mail import Mailbox, text_of, token_in
from support.services import Services, running_services, unique
from support.tokens import claims_of, signed
from support.valkey import ValkeyServer
from support.waiting import eventually

NEW = "Another-2-word"
_PARTS = ("auth", "worker")


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    mailbox = Mailbox(tmp_path_factory.mktemp("mailbox"))
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture(scope="session")
def mailing_on_sqlite(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Auth and the worker on SQLite, with a mail server."""
    folder, redis = tmp_path_factory.mktemp("mailing"), valkey_server.database(13)
    with (
        sqlite_files.migrated_database() as url,
        running_services(folder, url, redis, _PARTS, mailbox.settings, mailbox.secrets) as services,
    ):
        yield services


@pytest.fixture(scope="session")
def mailing_on_postgres(
    postgres_server: PostgresServer,
    valkey_server: ValkeyServer,
    mailbox: Mailbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    """The same on Postgres."""
    folder, redis = tmp_path_factory.mktemp("mailing"), valkey_server.database(14)
    with (
        postgres_server.migrated_database() as url,
        running_services(folder, url, redis, _PARTS, mailbox.settings, mailbox.secrets) as services,
    ):
        yield services


@pytest.fixture(params=["sqlite", "postgres"])
def services(request: pytest.FixtureRequest) -> Services:
    return request.getfixturevalue(f"mailing_on_{request.param}")


class Person:
    """A user of the test's own, and their mailbox."""

    def __init__(self, there: Arrangement, mailbox: Mailbox) -> None:
        self.name = unique("ada")
        self.address = f"{self.name}@mail"
        self.id = there.user(there.organization(), username=self.name)
        self._there = there
        self._mailbox = mailbox

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self._there.services.anyone.post(f"/recover/{path}", json=body)

    def sign_in(self, password: str) -> httpx.Response:
        return self._there.services.anyone.post("/token/user", json={"username": self.name, "password": password})

    def mail(self, subject: str = "") -> Any:
        """The next mail. There is no clock here that sends what could not be sent at first: it is asked for again."""
        queue, again_at = JobQueue(self._there.services.redis_url), 0.0

        def has_come() -> bool:
            nonlocal again_at
            if time.monotonic() >= again_at:
                queue.send(SEND_MAIL)
                again_at = time.monotonic() + 3
            return bool(self.mails(subject))

        eventually(has_come)
        return self.mails(subject)[-1]

    def mails(self, subject: str = "") -> list[Any]:
        return self._mailbox.to(self.address, subject)

    def lost_token(self) -> str:
        """A token for a new password, as it comes by mail."""
        assert self.post("lost", username=self.name).status_code == 200
        return token_in(self.mail("new password"))

    def lost_factor_token(self) -> str:
        assert self.post("2fa/lost", username=self.name, password=PASSWORD).status_code == 200
        return token_in(self.mail("second factor"))

    def row(self) -> dict[str, Any]:
        return self._there.rows('SELECT * FROM "user" WHERE id = :id', id=self.id)[0]


@pytest.fixture
def ada(there: Arrangement, mailbox: Mailbox) -> Person:
    return Person(there, mailbox)


def test_a_lost_password_leads_to_a_new_sign_in(ada: Person) -> None:
    response = ada.post("reset", reset_token=ada.lost_token(), password=NEW)
    assert response.status_code == 200
    assert isinstance(response.json()["msg"], str)
    assert ada.sign_in(PASSWORD).status_code == 401
    assert ada.sign_in(NEW).status_code == 200


def test_the_mail_says_the_same_as_text_and_as_html_and_holds_no_address_with_a_secret(ada: Person) -> None:
    token = ada.lost_token()
    text, page = text_of(ada.mails()[0]), text_of(ada.mails()[0], "html")
    for said in (text, page):
        assert all(part in said for part in (token, ada.name, "60 minutes", "help@example.org"))
        assert "http" not in said
    assert token not in ada.mails()[0]["Subject"]


def test_an_e_mail_address_is_as_good_as_a_name(ada: Person) -> None:
    assert ada.post("lost", username=None, email=ada.address).status_code == 200
    token = token_in(ada.mail())
    assert ada.post("reset", reset_token=token, password=NEW).status_code == 200


def test_who_is_unknown_gets_the_same_answer_and_as_many_rows(ada: Person, there: Arrangement) -> None:
    before = there.rows("SELECT count(*) AS n FROM mail")[0]["n"]
    answers = [ada.post("lost", username=ada.name), ada.post("lost", username=unique("nobody"))]
    answers.append(ada.post("lost", email=f"{unique('nobody')}@mail"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert there.rows("SELECT count(*) AS n FROM mail")[0]["n"] == before + 3
    unsent = there.rows("SELECT recipient, text, html FROM mail WHERE user_id IS NULL")
    assert {(row["recipient"], row["text"], row["html"]) for row in unsent} == {(None, None, None)}


@pytest.mark.parametrize("body", [{}, {"username": "", "email": ""}, {"username": None, "email": None}, []])
def test_whoever_names_nobody_is_told_so(services: Services, body: Any) -> None:
    for path in ("/recover/lost", "/recover/2fa/lost"):
        response = services.anyone.post(path, json=body)
        assert response.status_code == 400
        assert isinstance(response.json()["msg"], str)


@pytest.mark.parametrize("path", ["lost", "reset", "2fa/lost", "2fa/reset"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"reset_token": 1, "username": 2}'])
def test_what_is_not_a_request_is_a_bad_request(services: Services, path: str, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = services.anyone.post(f"/recover/{path}", content=content, headers=headers)
    assert response.status_code == 400
    assert isinstance(response.json()["msg"], str)


def test_a_token_works_once_also_when_it_comes_many_times_at_once(ada: Person) -> None:
    token = ada.lost_token()
    answers = at_once(5, lambda: ada.post("reset", reset_token=token, password=NEW))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    assert ada.post("reset", reset_token=token, password="Third-3-word").status_code == 400


def test_a_password_against_the_rules_leaves_the_token_good(ada: Person) -> None:
    token = ada.lost_token()
    for weak in ("short", "nouppercase-1", "x" * 200):
        refused = ada.post("reset", reset_token=token, password=weak)
        assert (refused.status_code, "password" in refused.json()["message"]) == (400, True)
    assert ada.post("reset", reset_token=token, password=NEW).status_code == 200


def test_a_token_is_void_after_the_password_changed(ada: Person, there: Arrangement) -> None:
    token = ada.lost_token()
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert there.signed_in(ada.id).patch("/password/change", json=body).status_code == 200
    assert ada.post("reset", reset_token=token, password="Third-3-word").status_code == 400
    assert ada.sign_in(NEW).status_code == 200


def test_a_token_in_a_mailbox_that_was_given_up_is_void(ada: Person, there: Arrangement) -> None:
    token = ada.lost_token()
    there.run('UPDATE "user" SET email = :email WHERE id = :id', email=f"{unique('new')}@mail", id=ada.id)
    assert ada.post("reset", reset_token=token, password=NEW).status_code == 400


def test_a_token_of_a_user_who_is_gone_is_void(ada: Person, there: Arrangement) -> None:
    token = ada.lost_token()
    there.run("DELETE FROM authenticatable WHERE id = :id", id=ada.id)
    assert ada.post("reset", reset_token=token, password=NEW).status_code == 400


def test_an_expired_token_is_refused_with_a_word_of_its_own(ada: Person, there: Arrangement) -> None:
    expired = again(there, ada.lost_token(), exp=datetime.now(UTC) - timedelta(minutes=1))
    response = ada.post("reset", reset_token=expired, password=NEW)
    assert (response.status_code, "expired" in response.json()["msg"]) == (401, True)


def test_tokens_are_good_for_one_purpose_only(ada: Person, there: Arrangement) -> None:
    password, factor, access = ada.lost_token(), ada.lost_factor_token(), there.token(ada.id, "user")
    for wrong in (factor, access, "nonsense", ""):
        assert ada.post("reset", reset_token=wrong, password=NEW).status_code == 400
    for wrong in (password, access, "nonsense", ""):
        assert ada.post("2fa/reset", reset_token=wrong).status_code == 400
    refused = there.services.anyone.get("/user/1", headers={"Authorization": f"Bearer {password}"})
    assert refused.status_code == 422
    assert ada.post("reset", reset_token=password, password=NEW).status_code == 200


def test_the_fingerprint_in_a_token_cannot_be_chosen(ada: Person, there: Arrangement) -> None:
    token = ada.lost_token()
    forged = signed(claims_of(token), secrets.token_urlsafe(32))
    other = again(there, token, sub="1:" + claims_of(token)["sub"].partition(":")[2])
    for wrong in (forged, other):
        assert ada.post("reset", reset_token=wrong, password=NEW).status_code == 400


def test_a_new_password_ends_the_lock(ada: Person) -> None:
    for _ in range(5):
        ada.sign_in("Wrong-1-word")
    assert ada.sign_in(PASSWORD).status_code == 401
    assert ada.post("reset", reset_token=ada.lost_token(), password=NEW).status_code == 200
    assert ada.sign_in(NEW).status_code == 200


def test_a_new_password_ends_every_sign_in(ada: Person, services: Services) -> None:
    api = services.login(ada.name, PASSWORD)
    assert ada.post("reset", reset_token=ada.lost_token(), password=NEW).status_code == 200
    headers = {"Authorization": f"Bearer {api.tokens['refresh_token']}"}
    assert services.anyone.post("/token/refresh", headers=headers).status_code == 401


def test_a_new_password_and_a_new_factor_end_access_tokens(ada: Person, services: Services) -> None:
    api = services.login(ada.name, PASSWORD)
    assert api.get("/rule").status_code == 200
    assert ada.post("2fa/reset", reset_token=ada.lost_factor_token()).status_code == 200
    assert api.get("/rule").status_code == 401
    again = services.login(ada.name, PASSWORD)
    assert ada.post("reset", reset_token=ada.lost_token(), password=NEW).status_code == 200
    assert again.get("/rule").status_code == 401
    assert NEW not in text_of(ada.mail("password was changed"))


def test_ones_own_address_needs_the_password_and_the_old_one_is_told(
    ada: Person, there: Arrangement, services: Services
) -> None:
    grant = {"rule": there.rule("user", "EDIT", "OWN"), "user": ada.id}
    there.run("INSERT INTO userpermission (rule_id, user_id) VALUES (:rule, :user)", **grant)
    api, path = services.login(ada.name, PASSWORD), f"/user/{ada.id}"
    new = {"email": f"new-{ada.address}"}
    assert api.patch(path, json=new).status_code == 400
    assert api.patch(path, json=new | {"current_password": "wrong"}).status_code == 401
    assert api.get(path).json()["email"] == ada.address
    assert api.patch(path, json=new | {"current_password": PASSWORD}).json()["email"] == new["email"]
    assert ada.name in text_of(ada.mail("e-mail address was changed"))


def test_a_new_password_is_told_by_mail(ada: Person, services: Services) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert services.login(ada.name, PASSWORD).patch("/password/change", json=body).status_code == 200
    assert NEW not in text_of(ada.mail("password was changed"))


def test_letters_that_are_asked_for_at_once_are_limited(ada: Person, there: Arrangement) -> None:
    assert {answer.status_code for answer in at_once(20, lambda: ada.post("lost", username=ada.name))} == {200}
    rows = there.rows("SELECT recipient FROM mail WHERE user_id = :id", id=ada.id)
    assert [len(rows), sum(row["recipient"] is not None for row in rows)] == [20, 5]


def test_a_reset_is_audited(ada: Person, there: Arrangement) -> None:
    ada.post("reset", reset_token=ada.lost_token(), password=NEW)
    ada.sign_in(NEW)
    entries = there.rows(
        "SELECT action, actor_type FROM audit WHERE subject_type = 'user' AND subject_id = :id", id=ada.id
    )
    assert entries == [{"action": "password_reset", "actor_type": "anyone"}]


def test_after_too_many_failures_the_user_is_told_once(ada: Person) -> None:
    for _ in range(7):
        ada.sign_in("Wrong-1-word")
    text = text_of(ada.mail("locked"))
    assert all(part in text for part in (ada.name, "15 minutes", "help@example.org"))
    ada.lost_token()
    # One mail, though it may come twice where the mail server did not say in time that it has it.
    assert len({mail["Message-ID"] for mail in ada.mails("locked")}) == 1


def test_a_lost_factor_needs_the_password(ada: Person) -> None:
    refused = [ada.post("2fa/lost", username=name, password="Wrong-1-word") for name in (ada.name, unique("nobody"))]
    assert [answer.status_code for answer in refused] == [401, 401]
    assert refused[0].json() == refused[1].json()
    assert ada.post("2fa/lost", username=ada.name).status_code == 400


def test_guessing_there_locks_as_at_sign_in(ada: Person) -> None:
    for _ in range(5):
        ada.post("2fa/lost", email=ada.address, password="Wrong-1-word")
    assert ada.post("2fa/lost", username=ada.name, password=PASSWORD).status_code == 401
    assert ada.sign_in(PASSWORD).status_code == 401
    assert ada.mail("locked")


def test_a_lost_factor_leads_to_a_new_one_and_the_user_is_told(ada: Person, there: Arrangement) -> None:
    old = pyotp.random_base32()
    there.run('UPDATE "user" SET otp_secret = :secret, otp_last_counter = 7 WHERE id = :id', secret=old, id=ada.id)
    token = ada.lost_factor_token()
    response = ada.post("2fa/reset", reset_token=token)
    body = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert body.keys() == {"qr_uri", "otp_secret", "msg"}
    assert pyotp.parse_uri(body["qr_uri"]).secret == body["otp_secret"] != old
    assert (ada.row()["otp_secret"], ada.row()["otp_last_counter"]) == (body["otp_secret"], None)
    assert ada.post("2fa/reset", reset_token=token).status_code == 400
    told = ada.mail("set up anew")
    assert body["otp_secret"] not in text_of(told) + text_of(told, "html")


def test_nobodys_mailbox_is_filled(ada: Person, there: Arrangement) -> None:
    answers = [ada.post("lost", username=ada.name) for _ in range(7)]
    assert {answer.text for answer in answers} == {answers[0].text}
    there_are = there.rows("SELECT recipient FROM mail WHERE user_id = :id", id=ada.id)
    assert [row["recipient"] for row in there_are].count(ada.address) == 5


def test_the_first_user_gets_no_mail_at_the_address_that_is_nobodys(services: Services, there: Arrangement) -> None:
    there.run("UPDATE \"user\" SET email = 'root@domain.ext' WHERE username = 'root'")
    assert services.anyone.post("/recover/lost", json={"username": "root"}).status_code == 200
    assert {row["recipient"] for row in there.rows("SELECT recipient FROM mail WHERE user_id = 1")} == {None}


@pytest.mark.parametrize("address", ["ada@mail\r\nBcc: eve@mail", "ada@mail, eve@mail", "", None])
def test_a_user_without_a_good_address_gets_no_mail_and_the_same_answer(
    ada: Person, there: Arrangement, address: str | None
) -> None:
    known = ada.post("lost", username=ada.name)
    email = address and f"{unique('x')}{address}"
    there.run('UPDATE "user" SET email = :email WHERE id = :id', email=email, id=ada.id)
    answer = ada.post("lost", username=ada.name)
    assert (answer.status_code, answer.text) == (200, known.text)
    rows = there.rows("SELECT recipient, given_up_at FROM mail WHERE user_id = :id ORDER BY id", id=ada.id)
    assert (rows[1]["recipient"], rows[1]["given_up_at"] is None) == (None, False)


def test_a_name_with_lines_and_markup_stays_a_name(there: Arrangement, mailbox: Mailbox) -> None:
    ada = Person(there, mailbox)
    name = f"{ada.name}\r\nBcc: eve@mail\r\n\r\n<b>click</b>"
    there.run('UPDATE "user" SET username = :name WHERE id = :id', name=name, id=ada.id)
    assert ada.post("lost", email=ada.address).status_code == 200
    message = ada.mail()
    assert message["Bcc"] is None
    assert f"{ada.name} Bcc: eve@mail <b>click</b>" in text_of(message)
    assert "<b>" not in text_of(message, "html")


def test_neither_the_table_nor_the_logs_keep_a_token(ada: Person, there: Arrangement, services: Services) -> None:
    token = ada.lost_token()
    eventually(lambda: there.rows("SELECT 1 FROM mail WHERE user_id = :id AND sent_at IS NOT NULL", id=ada.id))
    ada.post("reset", reset_token=token, password=NEW)
    kept = there.rows("SELECT * FROM mail WHERE user_id = :id", id=ada.id)
    assert token not in str(kept)
    for part in _PARTS:
        log = services.log(part)
        assert not any(secret in log for secret in (token, NEW, PASSWORD, ada.address))


def test_a_request_that_fails_sends_no_mail(ada: Person, there: Arrangement) -> None:
    before = there.rows("SELECT count(*) AS n FROM mail")[0]["n"]
    ada.post("2fa/lost", username=ada.name, password="Wrong-1-word")
    ada.post("lost", username="", email="")
    assert there.rows("SELECT count(*) AS n FROM mail")[0]["n"] == before


def test_without_a_mail_server_the_answer_is_the_same_and_nothing_is_written(auth_on_sqlite: Services) -> None:
    there = Arrangement(auth_on_sqlite)
    name = unique("ada")
    there.user(there.organization(), username=name)
    answers = [auth_on_sqlite.anyone.post("/recover/lost", json={"username": one}) for one in (name, "nobody")]
    right = {"username": name, "password": PASSWORD}
    answers.append(auth_on_sqlite.anyone.post("/recover/2fa/lost", json=right))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert there.rows("SELECT * FROM mail") == []
    assert auth_on_sqlite.log("auth").count("No mail can be sent") == 1


def test_who_asks_too_often_from_one_address_must_wait(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    few = {"DATAQUALITY_FAILURES_PER_ADDRESS": "3"}
    folder, redis = tmp_path_factory.mktemp("few"), valkey_server.database(15)
    with sqlite_files.migrated_database() as url, running_services(folder, url, redis, ("auth",), few) as services:
        answers = [services.anyone.post("/recover/lost", json={"username": "root"}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[3].headers["Retry-After"]) > 0
        # Signing in is counted by itself.
        assert services.login("root", "root").token


def again(there: Arrangement, token: str, **changed: Any) -> str:
    """The same token with other claims, signed with the right key."""
    return signed(claims_of(token) | changed, there.secret("reset_key"))
