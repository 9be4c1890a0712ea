"""What this service writes to its users. Each letter is told once, as paragraphs, and rendered as text and as HTML.

A token stands in the letter as text, never in an address: addresses end up in histories and logs.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from dataquality.core.mail import Letter
from dataquality.core.settings import Settings
from dataquality.model import utc_now

_OF_USE = timedelta(hours=24)
_LONGEST_NAME = 100
_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family: sans-serif; line-height: 1.5; max-width: 40em">
{paragraphs}
</body></html>
"""
_TO_COPY = '<pre style="white-space: pre-wrap; word-break: break-all; background: #eee; padding: 1em">{text}</pre>'


@dataclass(frozen=True)
class _Token:
    """Something to copy: stands on a line of its own."""

    text: str = field(repr=False)


_Paragraph = str | _Token
TokenLetter = Callable[[Settings, str, str], Letter]
"""Makes a letter to the user of that name with that token."""


def password_recovery(settings: Settings, username: str, token: str) -> Letter:
    """The answer to a lost password."""
    paragraphs = (
        f"Somebody asked to set a new password for your account {_plain(username)}. If that was you, use this token "
        "where you asked for it, together with your new password:",
        _Token(token),
        f"{_validity(settings)} If it was not you, you need not do anything: your password stays as it is.",
    )
    return _letter(settings, "password_recovery", "Set a new password", paragraphs, _token_lifetime(settings))


def two_factor_recovery(settings: Settings, username: str, token: str) -> Letter:
    """The answer to a lost second factor."""
    paragraphs = (
        f"Somebody who knows your password asked for a new second factor for your account {_plain(username)}. If that "
        "was you, use this token where you asked for it:",
        _Token(token),
        f"{_validity(settings)} If it was not you, somebody knows your password: change it now.",
    )
    return _letter(settings, "two_factor_recovery", "Set up a new second factor", paragraphs, _token_lifetime(settings))


def account_locked(settings: Settings, username: str) -> Letter:
    """There were too many wrong passwords or codes."""
    paragraphs = (
        f"There were {settings.max_failed_attempts} failed attempts to sign in to your account {_plain(username)}, so "
        f"it is locked for {_minutes(settings.inactivation_minutes)}. After that you can sign in as usual.",
        "If you forgot your password, ask for a new one as for a lost password: that ends the lock as well. If it was "
        "not you who tried, somebody else did; a strong password that you use nowhere else keeps them out.",
    )
    return _letter(settings, "account_locked", "Your account is locked for a while", paragraphs, _OF_USE)


def password_changed(settings: Settings, username: str) -> Letter:
    """There is a new password."""
    paragraphs = (
        f"The password of your account {_plain(username)} was changed. Wherever you were signed in with the old one, "
        "you must sign in again.",
        "If that was not you, somebody else has your account: set a new password as for a lost password, and tell "
        "your administrator.",
    )
    return _letter(settings, "password_changed", "Your password was changed", paragraphs, _OF_USE)


def email_changed(settings: Settings, username: str) -> Letter:
    """There is a new e-mail address; this goes to the old one."""
    paragraphs = (
        f"Your account {_plain(username)} has another e-mail address now. Mail to you, tokens for a lost password "
        "among it, no longer goes to this address.",
        "If you do not know of that, somebody else has your account: tell your administrator at once.",
    )
    return _letter(settings, "email_changed", "Your e-mail address was changed", paragraphs, _OF_USE)


def two_factor_changed(settings: Settings, username: str) -> Letter:
    """There is a new second factor."""
    paragraphs = (
        f"A new second factor was set up for your account {_plain(username)}. From now on you sign in with the codes "
        "of the authenticator app in which it was entered; codes of an earlier one no longer work.",
        "If that was not you, somebody knows your password: set a new one as for a lost password, and tell your "
        "administrator.",
    )
    return _letter(settings, "two_factor_changed", "Your second factor was set up anew", paragraphs, _OF_USE)


def _letter(settings: Settings, kind: str, subject: str, paragraphs: Sequence[_Paragraph], of_use: timedelta) -> Letter:
    whole = (*paragraphs, f"Questions? Write to {settings.support_email}.")
    return Letter(kind, subject, _as_text(whole), _as_html(subject, whole), utc_now() + of_use)


def _as_text(paragraphs: Sequence[_Paragraph]) -> str:
    return "\n\n".join(part.text if isinstance(part, _Token) else part for part in paragraphs) + "\n"


def _as_html(title: str, paragraphs: Sequence[_Paragraph]) -> str:
    parts = [
        _TO_COPY.format(text=html.escape(part.text)) if isinstance(part, _Token) else f"<p>{html.escape(part)}</p>"
        for part in paragraphs
    ]
    return _PAGE.format(title=html.escape(title), paragraphs="\n".join(parts))


def _plain(name: str) -> str:
    """A name that is part of a sentence and cannot begin a paragraph of its own."""
    text = " ".join("".join(character if character.isprintable() else " " for character in name).split())
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def _token_lifetime(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.email_token_minutes)


def _validity(settings: Settings) -> str:
    return f"It is valid for {_minutes(settings.email_token_minutes)} and works once."


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"
