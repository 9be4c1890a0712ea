"""A mail as it goes over the wire: text and HTML, for whichever the reader's program shows."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from dataquality.core.mail import is_address


class UnfitMail(ValueError):
    """What was to be sent cannot be a mail."""

    short = "it cannot be a mail"


def message_of(mail: Any, sender: str, reply_to: str) -> EmailMessage:
    """The message of a row of `MailQueue`. Raises UnfitMail, also for anything that could end a line of its head.

    Its id follows from the row: a mail that is sent twice after a crash is known as the same one.
    """
    # The library would also take a group of addresses, and break the head when it folds the name of one.
    if not is_address(mail.recipient):
        raise UnfitMail(f"{UnfitMail.short}: its recipient is not one address")
    try:
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        message["To"] = mail.recipient
        if reply_to != sender:
            message["Reply-To"] = reply_to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = _message_id(mail.id, mail.created_at, sender)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
    except (ValueError, IndexError, AttributeError) as error:
        raise UnfitMail(f"{UnfitMail.short}: {error}") from error
    return message


def _message_id(mail_id: int, created_at: datetime, sender: str) -> str:
    return f"<{mail_id}.{created_at.timestamp():.6f}@{sender.rpartition('@')[2]}>"
