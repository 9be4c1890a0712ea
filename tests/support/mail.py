"""A real mail server (SMTP): in plain words, with STARTTLS, or with TLS from the first byte."""

import email
import secrets
import ssl
import subprocess
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from support.processes import free_port
from support.waiting import eventually

Kind = Literal["plain", "starttls", "ssl"]
USERNAME = "mailer@example.org"


class Mailbox:
    """A mail server on localhost that wants a password. `refuse` says what it answers for a recipient, if not 250.

    `start` and `stop` may be called again; the port stays.
    """

    def __init__(self, folder: Path, kind: Kind = "starttls") -> None:
        self.kind = kind
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self.received: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuse: Callable[[str], str | None] = lambda _recipient: None
        self._certificate, self._key = _certificate(folder)
        self._controller: Controller | None = None

    @property
    def authority(self) -> str:
        """The certificate (PEM) to trust."""
        return self._certificate.read_text()

    @property
    def settings(self) -> dict[str, str]:
        """What the environment of the services says of it."""
        return {
            "DATAQUALITY_SMTP__SERVER": "localhost",
            "DATAQUALITY_SMTP__PORT": str(self.port),
            "DATAQUALITY_SMTP__USERNAME": USERNAME,
            "DATAQUALITY_SMTP__USE_TLS": str(self.kind == "starttls").lower(),
            "DATAQUALITY_SMTP__USE_SSL": str(self.kind == "ssl").lower(),
            "DATAQUALITY_SUPPORT_EMAIL": "help@example.org",
        }

    @property
    def secrets(self) -> dict[str, str]:
        """The secret files of the worker."""
        return {"smtp_password": self.password, "smtp_ca": self.authority}

    def start(self) -> None:
        """Take mail."""
        options: dict[str, Any] = {"authenticator": self._knows, "auth_require_tls": False, "ready_timeout": 60}
        if self.kind == "starttls":
            options |= {"tls_context": self._tls(), "require_starttls": True, "auth_require_tls": True}
        if self.kind == "ssl":
            options["ssl_context"] = self._tls()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def stop(self) -> None:
        """Answer nobody."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, recipient: str, subject: str = "") -> list[EmailMessage]:
        """The mails that came for somebody, with this in the subject."""
        return [one for one in self.received if one["To"] == recipient and subject in one["Subject"]]

    def next_to(self, recipient: str, subject: str = "") -> EmailMessage:
        """The newest of them, once there is one."""
        eventually(lambda: self.to(recipient, subject))
        return self.to(recipient, subject)[-1]

    async def handle_RCPT(self, _server: Any, session: Any, envelope: Any, address: str, _options: Any) -> str:
        """Called by the server for each recipient."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if refusal := self.refuse(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Called by the server for each mail."""
        self.recipients.append(list(envelope.rcpt_tos))
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"

    def _knows(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = LoginPassword(USERNAME.encode(), self.password.encode())
        return AuthResult(success=data == good, handled=False)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key)
        return context


def text_of(message: EmailMessage, kind: Literal["plain", "html"] = "plain") -> str:
    """One of the two forms of a mail."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def token_in(message: EmailMessage) -> str:
    """The reset token in a mail: the one paragraph without a space."""
    [token] = [part.strip() for part in text_of(message).split("\n\n") if " " not in part.strip()]
    return token


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    certificate, key = folder / "mail.pem", folder / "mail.key"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
    return certificate, key
