"""Mail: through real mail servers, once, and not forgotten when they do not work."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from dataquality.core.database import create_autocommit_engine
from dataquality.core.mail import is_address
from dataquality.core.settings import SmtpSettings
from dataquality.dispatch.mail.message import UnfitMail, message_of
from dataquality.dispatch.mail.queue import KEPT, LEASE, LONGEST_PAUSE, MailQueue, pause_after
from dataquality.dispatch.mail.sending import Sender
from dataquality.dispatch.mail.server import MailServer, ServerFails
from dataquality.model import AuditEntry, Mail
from support.databases import sync_engine
from support.mail import USERNAME, Kind, Mailbox, text_of

ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(autouse=True)
def no_end_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a starved machine two steps may lie further apart than a sender goes on for."""
    monkeypatch.setattr("dataquality.dispatch.mail.sending._SECONDS", 600)


@pytest.fixture
def mailbox(folder: Path) -> Iterator[Mailbox]:
    mailbox = Mailbox(folder)
    mailbox.start()
    yield mailbox
    mailbox.stop()


def server_of(mailbox: Mailbox, password: str | None = None, *, trusts: bool = True) -> MailServer:
    kind = mailbox.kind
    smtp = SmtpSettings(port=mailbox.port, username=USERNAME, use_tls=kind == "starttls", use_ssl=kind == "ssl")
    authorities = mailbox.authority if trusts else None
    return MailServer(smtp, USERNAME, password or mailbox.password, authorities, seconds=60)


def sender(url: str, server: MailServer, claimant: str = "me") -> Sender:
    return Sender(MailQueue(create_autocommit_engine(url), claimant), server, USERNAME, "help@example.org")


def write(url: str, *recipients: str, **values: Any) -> None:
    now = datetime.now(UTC)
    row = {"kind": "k", "user_id": 7, "subject": "Hello", "text": "Text.\n", "html": "<p>HTML.</p>\n"}
    row |= {"created_at": now, "next_attempt_at": now, "expires_at": now + timedelta(hours=1)} | values
    with sync_engine(url).begin() as connection:
        connection.execute(insert(Mail), [row | {"recipient": recipient} for recipient in recipients])


def rows(url: str) -> dict[str, Any]:
    """All mails by recipient."""
    with sync_engine(url).connect() as connection:
        return {row.recipient: row for row in connection.execute(select(Mail.__table__))}


def audited(url: str) -> list[Any]:
    with sync_engine(url).connect() as connection:
        return list(connection.execute(select(AuditEntry.__table__).where(AuditEntry.action == "mail_given_up")))


def let_pauses_pass(url: str) -> None:
    with sync_engine(url).begin() as connection:
        connection.execute(update(Mail).values(next_attempt_at=datetime.now(UTC)))


@pytest.mark.parametrize("kind", ["plain", "starttls", "ssl"])
def test_a_mail_arrives_as_text_and_as_html(sqlite_url: str, folder: Path, kind: Kind) -> None:
    mailbox = Mailbox(folder, kind)
    mailbox.start()
    write(sqlite_url, ADA)
    try:
        assert sender(sqlite_url, server_of(mailbox)).send_due() == 1
    finally:
        mailbox.stop()
    [message] = mailbox.received
    assert (message["To"], message["From"], message["Reply-To"]) == (ADA, USERNAME, "help@example.org")
    assert (message["Subject"], text_of(message), text_of(message, "html")) == ("Hello", "Text.\n", "<p>HTML.</p>\n")


def test_a_mail_that_was_sent_is_erased_and_not_sent_again(database_url: str, mailbox: Mailbox) -> None:
    write(database_url, ADA)
    assert [sender(database_url, server_of(mailbox)).send_due() for _ in range(2)] == [1, 0]
    row = rows(database_url)[ADA]
    assert (row.text, row.html, row.last_error, row.attempts) == (None, None, None, 1)
    assert row.sent_at is not None and row.given_up_at is None


def test_two_workers_send_each_mail_once(database_url: str, mailbox: Mailbox) -> None:
    everybody = [f"user{number}@example.org" for number in range(20)]
    write(database_url, *everybody)
    senders = [sender(database_url, server_of(mailbox), name) for name in ("one", "two")]

    def until_all_are_sent(one: Sender) -> None:
        while any(row.sent_at is None for row in rows(database_url).values()):
            one.send_due()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(until_all_are_sent, senders))
    assert sorted(recipient for [recipient] in mailbox.recipients) == sorted(everybody)


def test_a_wrong_password_is_tried_again_and_the_right_one_delivers(
    database_url: str, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a starved machine stands still: nothing is due again before its pause is made to pass.
    monkeypatch.setattr("dataquality.dispatch.mail.queue.FIRST_PAUSE", LONGEST_PAUSE)
    write(database_url, ADA, BOB)
    wrong = sender(database_url, server_of(mailbox, "wrong"))
    assert (wrong.send_due(), wrong.send_due()) == (0, 0)
    tried = rows(database_url)
    assert sorted(row.attempts for row in tried.values()) == [0, 1]
    assert all(row.next_attempt_at > datetime.now(UTC) for row in tried.values())
    assert "username and password" in tried[ADA].last_error
    let_pauses_pass(database_url)
    assert sender(database_url, server_of(mailbox)).send_due() == 2
    assert sorted(message["To"] for message in mailbox.received) == [ADA, BOB]


def test_what_waits_for_a_server_that_is_down_is_delivered_when_it_is_up(database_url: str, mailbox: Mailbox) -> None:
    mailbox.stop()
    write(database_url, ADA)
    one = sender(database_url, server_of(mailbox))
    for _ in range(3):
        assert one.send_due() == 0
        let_pauses_pass(database_url)
    assert rows(database_url)[ADA].attempts == 3
    mailbox.start()
    assert one.send_due() == 1
    assert len(mailbox.to(ADA)) == 1


def test_pauses_grow_and_end_growing() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 100)]
    assert pauses == sorted(pauses)
    assert pauses[1] == 2 * pauses[0]
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize("kind", ["starttls", "ssl"])
def test_a_server_that_cannot_prove_its_name_is_told_nothing(sqlite_url: str, folder: Path, kind: Kind) -> None:
    mailbox = Mailbox(folder, kind)
    mailbox.start()
    write(sqlite_url, ADA)
    try:
        assert sender(sqlite_url, server_of(mailbox, trusts=False)).send_due() == 0
    finally:
        mailbox.stop()
    assert "CERTIFICATE_VERIFY_FAILED" in rows(sqlite_url)[ADA].last_error
    assert mailbox.received == []


def test_a_server_without_starttls_gets_no_password_where_it_is_wanted(sqlite_url: str, folder: Path) -> None:
    mailbox = Mailbox(folder, "plain")
    mailbox.start()
    write(sqlite_url, ADA)
    wants_tls = MailServer(SmtpSettings(port=mailbox.port), USERNAME, mailbox.password)
    try:
        assert sender(sqlite_url, wants_tls).send_due() == 0
    finally:
        mailbox.stop()
    assert "STARTTLS" in rows(sqlite_url)[ADA].last_error


def test_a_server_that_never_answers_is_left(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        server = MailServer(SmtpSettings(server="127.0.0.1", port=port), USERNAME, "x", seconds=0.2)
        write(sqlite_url, ADA)
        assert sender(sqlite_url, server).send_due() == 0
    assert rows(sqlite_url)[ADA].attempts == 1


def test_a_mailbox_that_is_not_there_is_given_up_and_audited(database_url: str, mailbox: Mailbox) -> None:
    mailbox.refuse = lambda recipient: f"550 5.1.1 <{recipient}> unknown" if recipient == ADA else None
    write(database_url, ADA, BOB, request_id="the-request")
    assert sender(database_url, server_of(mailbox)).send_due() == 1
    row = rows(database_url)[ADA]
    assert row.given_up_at is not None and (row.text, row.html, row.sent_at) == (None, None, None)
    [entry] = audited(database_url)
    assert (entry.actor_type, entry.subject_type, entry.subject_id) == ("server", "user", 7)
    assert (entry.detail["kind"], entry.detail["attempts"], entry.request_id) == ("k", 1, "the-request")
    assert "550" in entry.detail["error"]


def test_a_full_mailbox_is_tried_later_and_holds_nobody_up(database_url: str, mailbox: Mailbox) -> None:
    mailbox.refuse = lambda recipient: "452 4.2.2 full" if recipient == ADA else None
    write(database_url, ADA, BOB)
    one = sender(database_url, server_of(mailbox))
    assert one.send_due() == 1
    assert [message["To"] for message in mailbox.received] == [BOB]
    mailbox.refuse = lambda _recipient: None
    let_pauses_pass(database_url)
    assert one.send_due() == 1


@pytest.mark.parametrize("refusal", ["421 closing", "554 5.7.1 relay access denied"])
def test_a_mail_that_the_server_fails_at_holds_the_others_up_for_one_pause(
    sqlite_url: str, mailbox: Mailbox, refusal: str
) -> None:
    mailbox.refuse = lambda recipient: refusal if recipient == ADA else None
    write(sqlite_url, ADA)
    write(sqlite_url, BOB)
    one = sender(sqlite_url, server_of(mailbox))
    one.send_due()
    with sync_engine(sqlite_url).begin() as connection:
        an_hour = timedelta(hours=1).total_seconds()
        for row in connection.execute(select(Mail.id, Mail.next_attempt_at)).all():
            earlier = row.next_attempt_at - timedelta(seconds=an_hour)
            connection.execute(update(Mail).where(Mail.id == row.id).values(next_attempt_at=earlier))
    one.send_due()
    assert [message["To"] for message in mailbox.received] == [BOB]
    assert rows(sqlite_url)[ADA].given_up_at is None


def test_a_mail_of_a_worker_that_died_is_sent_after_its_lease(database_url: str, mailbox: Mailbox) -> None:
    now = datetime.now(UTC)
    write(database_url, ADA, claimed_by="dead", claimed_until=now + LEASE)
    one = sender(database_url, server_of(mailbox))
    assert one.send_due() == 0
    with sync_engine(database_url).begin() as connection:
        connection.execute(update(Mail).values(claimed_until=now - timedelta(seconds=1)))
    assert one.send_due() == 1


def test_a_mail_sent_twice_after_a_crash_is_known_as_the_same(database_url: str, mailbox: Mailbox) -> None:
    write(database_url, ADA)
    queue = MailQueue(create_autocommit_engine(database_url), "dead")
    mail = queue.claim()
    server_of(mailbox).send(message_of(mail, USERNAME, USERNAME))
    with sync_engine(database_url).begin() as connection:
        connection.execute(update(Mail).values(claimed_until=datetime.now(UTC) - timedelta(seconds=1)))
    sender(database_url, server_of(mailbox)).send_due()
    first, second = mailbox.received
    assert first["Message-ID"] == second["Message-ID"]


def test_one_sends_at_a_time(database_url: str) -> None:
    write(database_url, ADA, BOB)
    queues = [MailQueue(create_autocommit_engine(database_url), name) for name in ("one", "two")]
    assert [queue.claim() is not None for queue in queues] == [True, False]


def test_what_is_of_no_use_any_more_is_given_up_and_erased(database_url: str, mailbox: Mailbox) -> None:
    write(database_url, ADA, expires_at=datetime.now(UTC) - timedelta(seconds=1), last_error="it was down")
    one = sender(database_url, server_of(mailbox))
    assert one.send_due() == 0
    one.queue.give_up_expired()
    row = rows(database_url)[ADA]
    assert row.given_up_at is not None and (row.text, row.html) == (None, None)
    assert [entry.detail["error"] for entry in audited(database_url)] == ["it was down"]


def test_old_mails_are_forgotten_and_waiting_ones_are_not(database_url: str) -> None:
    old, now = datetime.now(UTC) - KEPT - timedelta(seconds=1), datetime.now(UTC)
    write(database_url, "sent@x", created_at=old, sent_at=old)
    write(database_url, "given-up@x", created_at=old, given_up_at=old)
    write(database_url, "waits@x", created_at=old)
    write(database_url, "new@x", sent_at=now)
    assert MailQueue(create_autocommit_engine(database_url), "me").forget_old() == 2
    assert rows(database_url).keys() == {"waits@x", "new@x"}


@pytest.mark.parametrize(
    "recipient",
    ["ada@x\r\nBcc: eve@x", "ada@x\nX: y", "ada@x, eve@x", "Ada <ada@x>", "ada@x eve@x", "ada", "", "@", "a@b@c"],
)
def test_what_is_not_one_address_is_no_recipient(recipient: str) -> None:
    assert not is_address(recipient)


@given(recipient=st.text(max_size=40), subject=st.text(max_size=40))
@example(recipient="0000\x80\x80\x80\x80\x80\x80\u0800\U00010000\U00010000\U00010000:\U00010000", subject="")
@settings(max_examples=150, deadline=None)
def test_no_text_adds_a_line_to_the_head_or_a_recipient(recipient: str, subject: str) -> None:
    mail = _Row(recipient=recipient, subject=subject)
    try:
        message = message_of(mail, USERNAME, "help@example.org")
    except UnfitMail:
        return
    assert len(message["To"].addresses) == 1
    head = message.as_bytes().partition(b"\r\n\r\n")[0].replace(b"\r\n ", b"").replace(b"\r\n\t", b"")
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n")]
    expected = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"]
    assert names == [*expected, "Content-Type"]


@given(address=st.from_regex(r"[^\s@]{1,20}@[^\s@]{1,20}", fullmatch=True))
@settings(max_examples=150, deadline=None)
def test_each_address_that_is_written_down_can_be_sent_to(address: str) -> None:
    if is_address(address) and address.isascii():
        message = message_of(_Row(recipient=address, subject="s"), USERNAME, "help@example.org")
        assert [one.addr_spec for one in message["To"].addresses] == [address]


def test_a_mail_to_several_is_refused_even_when_it_is_in_the_table(sqlite_url: str, mailbox: Mailbox) -> None:
    write(sqlite_url, "ada@x, eve@x")
    write(sqlite_url, "ada@x\r\nBcc: eve@x")
    assert sender(sqlite_url, server_of(mailbox)).send_due() == 0
    assert all(row.given_up_at is not None for row in rows(sqlite_url).values())
    assert mailbox.received == []


def test_no_error_shows_the_password(sqlite_url: str, mailbox: Mailbox) -> None:
    makers: list[Callable[[], MailServer]] = [
        lambda: server_of(mailbox, "pässword-1"),
        lambda: server_of(mailbox, "password-1"),
    ]
    for maker in makers:
        with pytest.raises(ServerFails) as caught:
            maker().send(message_of(_Row(recipient=ADA, subject="s"), USERNAME, USERNAME))
        assert "ssword-1" not in str(caught.value) + repr(maker())


class _Row:
    def __init__(self, recipient: str, subject: str) -> None:
        self.id, self.recipient, self.subject = 1, recipient, subject
        self.text, self.html = "Text.", "<p>HTML.</p>"
        self.created_at = datetime(2026, 1, 1, tzinfo=UTC)
