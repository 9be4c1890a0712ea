"""Questions at the terminal. They go to standard error: standard output is for data alone, and may be a pipe."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from questionary import Question

    from vserver.config.wizard import Problem


class Terminal:
    """Asks whoever sits there. Ctrl-C and the end of input are a KeyboardInterrupt."""

    def text(self, question: str, default: str, problem: "Problem") -> str:
        """A line of text, asked for until nothing is wrong with it."""
        import questionary

        return cast(str, _answer(questionary.text(question, default, validate=_validator(problem), **_output())))

    def hidden(self, question: str, problem: "Problem") -> str:
        """A line that is not shown."""
        import questionary

        return cast(str, _answer(questionary.password(question, validate=_validator(problem), **_output())))

    def one_of(self, question: str, choices: Sequence[str], default: str) -> str:
        """One of several words."""
        return self.choose(question, [(word, word) for word in choices], default)

    def choose(self, question: str, choices: Sequence[tuple[str, str]], default: str | None = None) -> str:
        """One of several things; `choices` are what is shown and what it stands for."""
        import questionary

        shown = [questionary.Choice(title, value) for title, value in choices]
        return cast(str, _answer(questionary.select(question, shown, default=default, **_output())))

    def yes(self, question: str, default: bool) -> bool:
        """Yes or no."""
        import questionary

        return bool(_answer(questionary.confirm(question, default, **_output())))


def _output() -> dict[str, Any]:
    from prompt_toolkit.output import create_output

    return {"output": create_output(stdout=sys.stderr)}


def _validator(problem: "Problem") -> Callable[[str], bool | str]:
    return lambda text: problem(text) or True


def _answer(question: "Question") -> object:
    try:
        return question.unsafe_ask()
    except EOFError:
        raise KeyboardInterrupt from None
