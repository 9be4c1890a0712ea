"""The questions whose answers make an environment, in order. What asks them is the caller's (`Ask`)."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, get_args

from vserver.config.answers import Answers, typed
from vserver.config.fields import LogLevel
from vserver.config.keys import Names

Problem = Callable[[str], str | None]
"""Why this cannot be the answer; None when it can."""

_BLANK = "Write a few words, so that your peers can tell this server from others"
_VPN = ("vpn_server",)
_JWT = ("jwt_secret_key",)


class Ask(Protocol):
    """Puts questions to a person, each until its answer has no problem."""

    def text(self, question: str, default: str, problem: Problem) -> str:
        """A line of text."""
        ...

    def hidden(self, question: str, problem: Problem) -> str:
        """A line that must not be seen."""
        ...

    def one_of(self, question: str, choices: Sequence[str], default: str) -> str:
        """One of several words."""
        ...

    def yes(self, question: str, default: bool) -> bool:
        """Yes or no."""
        ...


REQUIRED: dict[Names, str] = {("description",): "TEXT"}
"""The answers that have no default, and a word for each."""


def missing(answers: Answers) -> list[str]:
    """What has to be said where nobody can be asked."""
    return [f"--set {'.'.join(names)}={word}" for names, word in REQUIRED.items() if not answers.has(names)]


def ask_all(ask: Ask, answers: Answers) -> None:
    """Ask for all that is not answered yet."""
    questions = _Questions(ask, answers)
    questions.about_the_server()
    questions.about_secrets()
    questions.about_the_log()
    questions.about_people()
    questions.about_the_vpn()


def fill_in(answers: Answers, log_name: str) -> None:
    """What a file says though nobody was asked."""
    if not answers.has(("logging", "file")):
        answers.keep(("logging", "file"), log_name)


class _Questions:
    def __init__(self, ask: Ask, answers: Answers) -> None:
        self._ask = ask
        self._answers = answers

    def about_the_server(self) -> None:
        self._text(("description",), "What is this server for?", needed=True)
        self._text(("ip",), "Address to listen on:", "0.0.0.0")  # noqa: S104 - the manual's default
        self._text(("port",), "Port to listen on:", "5000")
        self._text(("api_path",), "Path of the API:", "/api")
        self._text(
            ("uri",), "Database (an empty line: the server brings its own PostgreSQL):", "sqlite:///default.sqlite"
        )
        names = ("allow_drop_all",)
        if not self._answers.has(names):
            chosen = self._ask.one_of("May one command delete all that the database holds?", ("True", "False"), "False")
            self._answers.keep(names, chosen == "True")

    def about_secrets(self) -> None:
        """Without a line in the file one is made as well, at the first start; here it can be copied elsewhere."""
        if not self._answers.has(_JWT) and self._ask.yes("Write a constant secret for signing tokens?", True):
            self._answers.keep(_JWT, secrets.token_urlsafe(32))

    def about_the_log(self) -> None:
        names = ("logging", "level")
        if not self._answers.has(names):
            self._answers.keep(names, self._ask.one_of("Least level that is logged:", tuple(_levels()), "INFO"))

    def about_people(self) -> None:
        names = ("two_factor_auth",)
        if not self._answers.has(names):
            question = "Must users sign in with a second factor? (Clients of the 3.4 line cannot.)"
            self._answers.keep(names, self._ask.yes(question, True))

    def about_the_vpn(self) -> None:
        question = "Is there a VPN server (EduVPN), for algorithms that talk to one another?"
        if not self._answers.has(_VPN) and not self._ask.yes(question, False):
            return
        self._text((*_VPN, "url"), "Address of the VPN server:")
        self._text((*_VPN, "portal_username"), "User of its portal:")
        self._hidden((*_VPN, "portal_userpass"), "Password of that user:")
        self._text((*_VPN, "client_id"), "OAuth2 client id:")
        self._hidden((*_VPN, "client_secret"), "OAuth2 client secret:")
        self._text((*_VPN, "redirect_url"), "OAuth2 redirect address:", "http://localhost")

    def _text(self, names: Names, question: str, default: str = "", needed: bool = False) -> None:
        if self._answers.has(names):
            return
        optional = bool(default) and names == ("uri",)

        def problem(text: str) -> str | None:
            if not text.strip():
                return None if optional else _BLANK if needed else "Write a value"
            return self._answers.problem(names, typed(names, text.strip()))

        answer = self._ask.text(question, default, problem).strip()
        if answer:
            self._answers.keep(names, typed(names, answer))

    def _hidden(self, names: Names, question: str) -> None:
        if not self._answers.has(names):
            answer = self._ask.hidden(question, lambda text: self._answers.problem(names, text))
            self._answers.keep(names, answer)


def _levels() -> Iterator[str]:
    """From the most to the least that is said."""
    named = get_args(LogLevel)
    return (level for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET") if level in named)
