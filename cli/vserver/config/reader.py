"""Reads one environment of a configuration file, or says all that is wrong with it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from vserver.config.explain import explained
from vserver.config.keys import NOT_YET
from vserver.config.layout import Layout, Section, flaws_inside, laid_out, section_path
from vserver.config.names import ENVIRONMENT_NAMES, EnvironmentName
from vserver.config.schema import Environment
from vserver.config.source import Flaw, Source, as_group, dotted, read_source
from vserver.config.substitution import Preparation
from vserver.config.text import described, nearest, shown
from vserver.config.weak_secrets import weakness
from vserver.errors import ConfigurationError, Problem


@dataclass(frozen=True)
class LoadedEnvironment:
    """An environment that can be started. `warnings` are whole sentences for people, each with its place."""

    name: EnvironmentName
    settings: Environment
    path: Path
    warnings: list[str]


@dataclass(frozen=True)
class EnvironmentSummary:
    """What a list says of an environment. `name` is None for what is wrong with the file around them.

    References are not followed, so a filled one may still fail to start.
    """

    name: EnvironmentName | None
    state: Literal["filled", "empty", "broken"]
    problems: list[Problem]


def read_environment(
    path: Path, environment: str | None = None, variables: Mapping[str, str] | None = None
) -> LoadedEnvironment:
    """Load the environment of that name; without a name the only one filled in, or else prod.

    References are looked up in `variables`, by default those of this process. Raises ConfigurationError with every
    problem of this environment; what is wrong with others is a warning.
    """
    source = read_source(path)
    layout = laid_out(source)
    section = _chosen(source, layout, environment)
    settings, flaws = _checked(source, section, os.environ if variables is None else variables)
    flaws = [*layout.flaws, *flaws]
    if flaws or settings is None:
        raise _error(source, flaws)
    notes = [*_warnings(section, settings), *_notes(source, layout, section)]
    return LoadedEnvironment(section.name, settings, path, [str(source.problem(note)) for note in notes])


def list_environments(path: Path) -> list[EnvironmentSummary]:
    """The environments of a file, with what is wrong with it as data."""
    try:
        source = read_source(path)
    except ConfigurationError as error:
        return [EnvironmentSummary(None, "broken", error.problems)]
    layout = laid_out(source)
    around = [EnvironmentSummary(None, "broken", _problems(source, layout.flaws))] if layout.flaws else []
    return around + [_summary(source, section) for section in layout.sections.values()]


def _summary(source: Source, section: Section) -> EnvironmentSummary:
    if not section.is_filled and not flaws_inside(source, section):
        return EnvironmentSummary(section.name, "empty", [])
    _, flaws = _checked(source, section, None)
    return EnvironmentSummary(section.name, "broken" if flaws else "filled", _problems(source, flaws))


def _chosen(source: Source, layout: Layout, wanted: str | None) -> Section:
    name = wanted or _default(layout)
    if name is None and layout.flaws:
        raise _error(source, layout.flaws)
    if name is None:
        raise _error(source, [Flaw((), *_no_default(layout))])
    if name not in ENVIRONMENT_NAMES:
        close = nearest(name, ENVIRONMENT_NAMES)
        hint = f"Did you mean {close}?" if close else f"Use one of {', '.join(ENVIRONMENT_NAMES)}"
        raise _error(source, [Flaw((), f"there is no environment called '{shown(name)}'", hint)])
    section = layout.sections.get(name)
    if section is None:
        raise _error(source, [*layout.flaws, Flaw((), f"the file has no environment {name}", _others(layout))])
    if not section.is_filled:
        message = "this environment is not filled in: it is only a placeholder"
        inside = flaws_inside(source, section) or [Flaw(section.at, message, _others(layout))]
        raise _error(source, [*layout.flaws, *inside])
    return section


def _default(layout: Layout) -> EnvironmentName | None:
    filled = layout.filled
    if len(filled) == 1:
        return filled[0]
    return "prod" if "prod" in filled else None


def _no_default(layout: Layout) -> tuple[str, str]:
    if layout.filled:
        return "several environments are filled in, and none of them is prod", _others(layout)
    return "no environment is filled in", "Fill in environments.prod, for example with port: 5000"


def _others(layout: Layout) -> str:
    if not layout.filled:
        return "Fill it in, for example with port: 5000"
    return f"Filled in: {', '.join(layout.filled)}. Choose with {' or '.join(f'-e {name}' for name in layout.filled)}"


def _checked(
    source: Source, section: Section, variables: Mapping[str, str] | None
) -> tuple[Environment | None, list[Flaw]]:
    """The settings of an environment, or its flaws. Without variables, references are passed over."""
    flaws = flaws_inside(source, section)
    preparation = Preparation(source.path.parent, variables)
    group = as_group(section.value)
    if group is None:
        found = described(section.value, hidden=True)
        return None, flaws or [Flaw(section.at, f"{found}, expected a group of keys", "For example port: 5000")]
    value: dict[str, object] = {"type": "prod" if section.name == "application" else section.name}
    value |= {key: preparation.prepare(child, (*section.at, key)) for key, child in group.items()}
    flaws += preparation.flaws
    try:
        return Environment.model_validate(value), flaws
    except ValidationError as error:
        return None, flaws + list(explained(error, value, section.at, preparation.referenced))


def _warnings(section: Section, settings: Environment) -> Iterator[Flaw]:
    """What a person should know of an environment that can be started."""
    secret = settings.jwt_secret_key
    weak = weakness(secret.get_secret_value()) if secret else None
    if weak:
        hint = "Remove the line and a strong one is made and kept"
        yield Flaw((*section.at, "jwt_secret_key"), f"this secret is easy to guess: {weak}", hint)
    for key, sentence in NOT_YET.items():
        if key in settings.model_fields_set and getattr(settings, key) is not False:
            yield Flaw((*section.at, key), f"this is checked but has no effect: {sentence}")


def _notes(source: Source, layout: Layout, started: Section) -> Iterator[Flaw]:
    """What a person should know of the other environments of the file."""
    empty = [dotted(section_path(name)) for name in layout.placeholders]
    if empty:
        yield Flaw((), f"not filled in, so they cannot be started: {', '.join(empty)}")
    for name in layout.filled:
        section = layout.sections[name]
        flaws = [] if section == started else _checked(source, section, None)[1]
        if flaws:
            first = source.problem(flaws[0])
            message = f"this environment cannot be started as it stands ({len(flaws)} wrong); the first: {first}"
            yield Flaw(section.at, message)


def _problems(source: Source, flaws: list[Flaw]) -> list[Problem]:
    problems = dict.fromkeys(source.problem(flaw) for flaw in flaws)
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.key))


def _error(source: Source, flaws: list[Flaw]) -> ConfigurationError:
    return ConfigurationError(_problems(source, flaws))
