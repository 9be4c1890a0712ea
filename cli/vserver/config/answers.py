"""Answers to what a new environment needs: as text, typed and checked by the schema, one by one or all together."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast, get_args, get_origin

from pydantic import ValidationError

from vserver.config.explain import explained
from vserver.config.keys import KEYS, SECRETS, Names
from vserver.config.names import EnvironmentName
from vserver.config.references import has_reference
from vserver.config.schema import Environment
from vserver.config.source import Flaw, as_group, value_of
from vserver.config.substitution import Preparation
from vserver.errors import CommandError, ExitCode

Values = dict[str, object]
"""The keys of one environment, groups nested, as they stand in a file."""


class Answers:
    """What is known of a new environment so far. Nothing is kept before `check` has been asked about it."""

    def __init__(self, environment: EnvironmentName, folder: Path, variables: Mapping[str, str] = os.environ) -> None:
        self._type = "prod" if environment == "application" else environment
        self._folder = folder
        self._variables = variables
        self.values: Values = {}

    def has(self, names: Names) -> bool:
        """Whether this key, or anything in this group, is answered."""
        return _look_up(self.values, names) is not None

    def keep(self, names: Names, value: object) -> None:
        """Take an answer over."""
        self.values = _with(self.values, names, value)

    def problem(self, names: Names, value: object) -> str | None:
        """Why the key cannot have this value beside the others that are known; None when it can."""
        at = len(names)
        flaws = (flaw for flaw in self._flaws(_with(self.values, names, value)) if flaw.at[:at] == names)
        return next((_sentence(flaw) for flaw in flaws), None)

    def flaws(self) -> list[Flaw]:
        """All that is wrong with what is known."""
        return list(self._flaws(self.values))

    def explicit(self) -> Values:
        """The answers, with the defaults of the keys that everybody should see in a file."""
        settings = Environment.model_validate({"type": self._type})
        shown = settings.model_dump(mode="json", include=_SHOWN)
        return _merged(shown, self.values)

    def _flaws(self, values: Values) -> Iterator[Flaw]:
        preparation = Preparation(self._folder, self._variables)
        prepared = cast(Values, preparation.prepare({"type": self._type} | values, ()))
        try:
            Environment.model_validate(prepared)
        except ValidationError as error:
            yield from explained(error, prepared, (), preparation.referenced)
        yield from preparation.flaws


_SHOWN = {
    "description": True,
    "ip": True,
    "port": True,
    "api_path": True,
    "allow_drop_all": True,
    "logging": {"level", "use_console", "backup_count", "max_size", "format", "datefmt"},
    "two_factor_auth": True,
}


def from_options(given: Iterable[str], answers: Answers) -> None:
    """Take over what `--set key=value` says. Raises CommandError that names all that is wrong."""
    seen: set[Names] = set()
    for option in given:
        key, separator, text = option.partition("=")
        names = tuple(key.strip().split("."))
        if not separator or not all(names):
            raise _refused(f"--set {key}: there is no = behind a key", "Write it as in --set port=5000.")
        if any(names[: len(other)] == other or other[: len(names)] == names for other in seen):
            raise _refused(f"--set {key}: this key is set twice", "Leave one of the two out.")
        seen.add(names)
        answers.keep(names, typed(names, text))
    flaws = answers.flaws()
    if flaws:
        lines = dict.fromkeys(f"--set {'.'.join(map(str, flaw.at))}: {_sentence(flaw)}" for flaw in flaws)
        raise CommandError("\n".join(lines), "Nothing was written.", ExitCode.USAGE)


def open_secrets(given: Iterable[str]) -> list[str]:
    """The keys whose secret itself stood on the command line, where others of this machine can read it."""
    pairs = [option.partition("=") for option in given]
    return [key for key, _, text in pairs if tuple(key.split(".")) in SECRETS and not has_reference(text)]


def typed(names: Names, text: str) -> object:
    """The text as the value that the key has in a file: true and false, numbers and lists as themselves."""
    kind = _kind(KEYS[names].field.annotation) if names in KEYS else str
    if kind is str or has_reference(text):
        return text
    if kind is tuple and not text.lstrip().startswith(("[", "-")):
        return [part.strip() for part in text.split(",") if part.strip()]
    return value_of(text)


def _kind(annotation: object) -> type:
    if isinstance(annotation, type) and issubclass(annotation, bool | int | float):
        return annotation
    if get_origin(annotation) is tuple:
        return tuple
    return next((kind for kind in map(_kind, get_args(annotation)) if kind is not str), str)


def _with(values: Values, names: Names, value: object) -> Values:
    head, *rest = names
    if not rest:
        return {**values, head: value}
    inner = values.get(head)
    return {**values, head: _with(as_group(inner) or {}, tuple(rest), value)}


def _look_up(values: Values, names: Names) -> object:
    found: object = values
    for name in names:
        group = as_group(found)
        found = None if group is None else group.get(name)
    return found


def _merged(below: Values, above: Values) -> Values:
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        inner, outer = as_group(below[name]), as_group(above[name])
        if inner is not None and outer is not None:
            merged[name] = _merged(inner, outer)
    return merged


def _sentence(flaw: Flaw) -> str:
    return f"{flaw.message}. {flaw.hint}" if flaw.hint else flaw.message


def _refused(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, ExitCode.USAGE)
