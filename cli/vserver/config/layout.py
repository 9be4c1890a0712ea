"""Which environments a configuration file holds, before any of them is looked into."""

from collections.abc import Iterator
from dataclasses import dataclass

from vserver.config.keys import KEYS
from vserver.config.names import ENVIRONMENT_NAMES, ENVIRONMENT_TYPES, EnvironmentName, EnvironmentType
from vserver.config.source import Flaw, KeyPath, Source, Unusable, as_group, dotted
from vserver.config.substitution import PLACEHOLDER
from vserver.config.text import described, nearest

_TOP = ("application", "environments")
_MEANT: dict[str, EnvironmentType] = {
    "production": "prod",
    "acceptance": "acc",
    "acceptation": "acc",
    "staging": "acc",
    "testing": "test",
    "development": "dev",
}


@dataclass(frozen=True)
class Section:
    """One environment as it stands in the file."""

    name: EnvironmentName
    value: object

    @property
    def at(self) -> KeyPath:
        return section_path(self.name)

    @property
    def is_filled(self) -> bool:
        """Whether somebody meant it to be used: neither `...` nor `{}` nor empty."""
        return self.value is not None and self.value != PLACEHOLDER and self.value != {}


@dataclass(frozen=True)
class Layout:
    """The environments of a file, and what is wrong outside of them."""

    sections: dict[EnvironmentName, Section]
    flaws: list[Flaw]

    @property
    def filled(self) -> list[EnvironmentName]:
        return [name for name in ENVIRONMENT_NAMES if name in self.sections and self.sections[name].is_filled]

    @property
    def placeholders(self) -> list[EnvironmentName]:
        """Those that somebody may have forgotten; whoever writes `{}` knows that it is empty."""
        return [name for name, found in self.sections.items() if not found.is_filled and found.value != {}]


def section_path(name: EnvironmentName) -> KeyPath:
    return ("application",) if name == "application" else ("environments", name)


def laid_out(source: Source) -> Layout:
    top = as_group(source.value)
    if top is None:
        return Layout({}, [*source.flaws, *_not_a_group((), source.value, _TOP)])
    named = top.get("environments")
    environments = as_group(named) or {}
    sections = [Section(name, environments[name]) for name in ENVIRONMENT_TYPES if name in environments]
    if "application" in top:
        sections.insert(0, Section("application", top["application"]))
    flaws = [flaw for flaw in source.flaws if not any(_inside(flaw.at, section.at) for section in sections)]
    flaws += [Flaw((key,), *_unknown_top(key)) for key in top if key not in _TOP]
    flaws += [Flaw(("environments", key), *_unknown_name(key)) for key in environments if key not in ENVIRONMENT_TYPES]
    if not isinstance(named, dict) and named is not None and named != PLACEHOLDER:
        flaws += _not_a_group(("environments",), named, ENVIRONMENT_TYPES)
    return Layout({section.name: section for section in sections}, flaws)


def flaws_inside(source: Source, section: Section) -> list[Flaw]:
    """What the file's reader found wrong inside an environment."""
    return [flaw for flaw in source.flaws if _inside(flaw.at, section.at)]


def _inside(at: KeyPath, section: KeyPath) -> bool:
    return at[: len(section)] == section


def _not_a_group(at: KeyPath, value: object, names: tuple[str, ...]) -> Iterator[Flaw]:
    if not isinstance(value, Unusable):
        found = "found nothing" if value is None else described(value, hidden=True)
        yield Flaw(at, f"{found}, expected one or more of the groups {', '.join(names)}", "Check the indentation")


def _unknown_top(key: str) -> tuple[str, str]:
    message = "there is no such key at the top of a configuration"
    if key in ENVIRONMENT_TYPES:
        return message, f"Put it under environments: {key} is an environment"
    close = nearest(key, _TOP)
    if close:
        return message, f"Did you mean {close}?"
    if (key,) in KEYS:
        return message, f"Put it into an environment, as in {dotted(('environments', 'prod', key))}"
    return message, "Known here: application, environments"


def _unknown_name(key: str) -> tuple[str, str]:
    message = "there is no such environment"
    if key == "application":
        return message, "Put application at the top of the file, beside environments"
    close = _MEANT.get(key.lower()) or nearest(key, ENVIRONMENT_TYPES)
    return message, f"Did you mean {close}?" if close else f"Known here: {', '.join(ENVIRONMENT_TYPES)}"
