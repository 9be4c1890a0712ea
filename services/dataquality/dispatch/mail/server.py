"""The mail server: one conversation a mail, in plain words, over STARTTLS, or over TLS from the first byte."""

import smtplib
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from dataquality.core.settings import Settings, SmtpSettings


class MailError(Exception):
    """A mail was not taken. The text holds no secret, but may hold the recipient's address; `short` does not."""

    def __init__(self, short: str, details: str = "") -> None:
        super().__init__(f"{short} {details}".strip())
        self.short = short


class RefusedForGood(MailError):
    """This mail will never be taken: there is no such mailbox, say."""


class RefusedForNow(MailError):
    """This mail was not taken now: its mailbox is full, say."""


class ServerFails(MailError):
    """The server took none: it does not answer, or not us."""


@dataclass(frozen=True)
class MailServer:
    """How to reach it. Without a password we do not sign in. Certificates are always checked."""

    settings: SmtpSettings
    username: str
    password: str | None = field(repr=False)
    authorities: str | None = field(default=None, repr=False)
    """Certificates (PEM) to trust besides those that the system trusts."""
    seconds: float = 10.0
    """For each step of a conversation; the whole has the time of its job."""

    def send(self, message: EmailMessage) -> None:
        """Return once the server has taken the message. Raises MailError."""
        with _errors_explained(), self._connected(_domain(message)) as connection:
            try:
                connection.send_message(message)
            except smtplib.SMTPNotSupportedError as error:
                raise RefusedForGood("it does not take addresses with such characters") from error

    @contextmanager
    def _connected(self, domain: str) -> Generator[smtplib.SMTP]:
        connection = self._connect(domain)
        try:
            self._begin(connection)
            yield connection
            _say_goodbye(connection)
        finally:
            # Not the library's own end, which says goodbye to a server that hangs and waits for its answer.
            connection.close()

    def _connect(self, domain: str) -> smtplib.SMTP:
        # Naming ourselves by the sender's domain: looking up our own host name can take long.
        server, port = self.settings.server, self.settings.port
        if self.settings.use_ssl:
            return smtplib.SMTP_SSL(server, port, domain, timeout=self.seconds, context=self._tls())
        return smtplib.SMTP(server, port, domain, timeout=self.seconds)

    def _begin(self, connection: smtplib.SMTP) -> None:
        if self.settings.use_tls and not self.settings.use_ssl:
            connection.starttls(context=self._tls())
        if self.password:
            try:
                connection.login(self.username, self.password)
            except UnicodeEncodeError:
                # Not chained: the error shows a part of the password.
                raise ServerFails("SMTP carries ASCII usernames and passwords only, and ours are not") from None

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.authorities:
            context.load_verify_locations(cadata=self.authorities)
        return context


def mail_server(settings: Settings) -> MailServer | None:
    """The configured mail server; None where there is none."""
    if settings.smtp is None:
        return None
    username = settings.smtp.username or settings.support_email
    password, authorities = settings.optional_secret("smtp_password"), settings.optional_secret("smtp_ca")
    return MailServer(settings.smtp, username, password, authorities)


def _say_goodbye(connection: smtplib.SMTP) -> None:
    try:
        connection.quit()
    except (smtplib.SMTPException, OSError):
        """The message was taken: sending it again would be worse."""


def _domain(message: EmailMessage) -> str:
    return str(message["From"]).rpartition("@")[2]


@contextmanager
def _errors_explained() -> Generator[None]:
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        [(code, text)] = error.recipients.values()
        raise _refusal(code, text) from error
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPAuthenticationError as error:
        raise ServerFails(f"it does not take our username and password ({error.smtp_code})") from error
    except smtplib.SMTPResponseException as error:
        raise ServerFails(f"it says {error.smtp_code} {_text(error.smtp_error)}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise ServerFails(f"{type(error).__name__}: {error}") from error


def _refusal(code: int, said: bytes | str) -> MailError:
    text = _text(said)
    kind = RefusedForNow if code < 500 else ServerFails if _is_about_us(code, text) else RefusedForGood
    return kind(f"it says {code}", text)


def _is_about_us(code: int, text: str) -> bool:
    """It refuses whoever sends, and not the mail: sign-in wanted, relaying denied (RFC 4954, RFC 3463)."""
    return code in (530, 534, 535, 538) or text.startswith("5.7.")


def _text(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())
