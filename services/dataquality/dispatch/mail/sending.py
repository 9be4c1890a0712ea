"""Sends what waits, one mail after another, for a while."""

import time
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from dataquality.core.settings import Settings
from dataquality.dispatch.celery import JobTookTooLong
from dataquality.dispatch.mail.message import UnfitMail, message_of
from dataquality.dispatch.mail.queue import MailQueue
from dataquality.dispatch.mail.server import MailServer, RefusedForGood, RefusedForNow, ServerFails

log = structlog.stdlib.get_logger(__name__)
_SECONDS = 10
"""After this no further mail is begun: there are other jobs."""


@dataclass(frozen=True)
class Sender:
    """Sends the mails of a queue through a server. `address` is what they come from, `support` where answers go."""

    queue: MailQueue
    server: MailServer
    address: str
    support: str

    def send_due(self) -> int:
        """Send what is due; how many were sent. Stops at once when the mail server does not work."""
        sent = 0
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and (mail := self.queue.claim()) is not None:
            with bound_contextvars(**({"request_id": mail.request_id} if mail.request_id else {})):
                outcome = self._send(mail)
            if outcome is None:
                break
            sent += outcome
        return sent

    def _send(self, mail: Any) -> bool | None:
        """True if it was taken, None if the server does not work."""
        # The address stays out of the log, and so does what the server says of it; both are in the table.
        about = {"mail_id": mail.id, "kind": mail.kind, "attempt": mail.attempts}
        try:
            self._give(message_of(mail, self.address, self.support))
        except (UnfitMail, RefusedForGood) as error:
            self.queue.give_up(mail.id, str(error))
            log.warning("a mail was given up", error=error.short, **about)
            return False
        except RefusedForNow as error:
            self.queue.postpone(mail.id, mail.attempts, str(error))
            log.info("a mail was refused for now", error=error.short, **about)
            return False
        except ServerFails as error:
            until = self.queue.postpone_all(mail.id, mail.attempts, str(error))
            again = until.isoformat("T", "seconds")
            log.warning("the mail server does not work", error=error.short, again_at=again, **about)
            return None
        self.queue.mark_sent(mail.id)
        log.info("a mail was sent", **about)
        return True

    def _give(self, message: EmailMessage) -> None:
        try:
            self.server.send(message)
        except JobTookTooLong as error:
            raise ServerFails("it takes too long") from error


def sender_address(settings: Settings) -> str:
    """The account at the mail server where that is an address: few servers take another; else that of the support."""
    username = settings.smtp.username if settings.smtp else None
    return username if username and "@" in username else settings.support_email
