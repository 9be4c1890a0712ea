"""Reads matrix.yaml, the table of who may do what, and says what each caller must get for each object."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from support.permissions import ABSENT, Person, RuleName, Things
from support.services import service_of, unique

_TABLE = Path(__file__).parents[1] / "dataquality" / "permissions" / "matrix.yaml"
_KEYS = {"rule", "list", "object", "path", "body", "success", "absent", "refused", "without", "node", "container"}
_PARAMETER = re.compile(r"\{[^}]*\}")
_SCOPES = ("GLOBAL", "COLLABORATION", "ORGANIZATION", "OWN")
MISSING = "absent"
"""The object that does not exist."""


@dataclass(frozen=True)
class CallerKind:
    """`rules`: of a user; None for others, whose `name` says what they are."""

    name: str
    rules: tuple[RuleName, ...] | None = None


NODE, CONTAINER, ANYONE = CallerKind("node"), CallerKind("container"), CallerKind("anyone")
SERVICE = CallerKind("service")
"""A part of the server, with its token for calls to another part."""


@dataclass(frozen=True)
class Endpoint:
    """A row of the table."""

    title: str
    row: dict[str, Any]

    @property
    def method(self) -> str:
        return self.title.split()[0]

    @property
    def path(self) -> str:
        return self.row.get("path", self.title.split()[1])

    @property
    def resource(self) -> tuple[str, str] | None:
        """Resource and operation of the rule that counts here."""
        return tuple(self.row["rule"].split()) if "rule" in self.row else None

    @property
    def is_list(self) -> bool:
        return "list" in self.row

    def objects(self, things: Things) -> list[str]:
        """Whose the objects are, with those that do not exist."""
        if "object" not in self.row:
            return ["any"]
        names = [*things.ids[self.row["object"]], *(["self"] if self.row["object"] == "user" else [])]
        return names if self.row.get("absent") == "skip" else [*names, MISSING]

    def scope(self, caller: CallerKind) -> str | None:
        """The scope in which the caller has the rule that counts here; the widest, if there are several."""
        held = {scope for name, operation, scope in caller.rules or () if (name, operation) == self.resource}
        return next((scope for scope in _SCOPES if scope in held), None)

    def allowed(self, caller: CallerKind) -> list[str] | None:
        """The objects that the caller may touch; None where the address is not for the caller at all."""
        if caller.rules is None:
            return self.row.get(caller.name)
        if scope := self.scope(caller):
            return self.row[scope]
        return self.row.get("without", [] if self.resource else None)

    def expected(self, caller: CallerKind, name: str) -> int:
        """The status that the caller must get for the object."""
        allowed = self.allowed(caller)
        if caller == SERVICE:
            return 422
        if caller == ANYONE or allowed is None:
            return 401
        if name == MISSING:
            wanted = self.row.get("absent", 404)
            return (404 if self.scope(caller) else 401) if wanted == "permitted" else wanted
        if name in self.row.get("refused", {}).get(self.scope(caller), ()):
            return 400
        return self.row.get("success", 200) if name in allowed else 401

    @property
    def objects_in_body(self) -> set[str]:
        """The fields of the body that name objects of the test's world."""
        body = cast(dict[str, Any], self.row.get("body") or {})
        return {field for field, value in body.items() if "{" in str(value)}

    def request(self, name: str, things: Things, person: Person | None) -> tuple[str, Any]:
        """Path and body for that object."""
        return self._filled(self.path, name, things, person), self._filled(self.row.get("body"), name, things, person)

    def _filled(self, part: Any, name: str, things: Things, person: Person | None) -> Any:
        if isinstance(part, dict):
            items = cast(dict[str, Any], part).items()
            return {key: self._filled(value, name, things, person) for key, value in items}
        if isinstance(part, list):
            return [self._filled(value, name, things, person) for value in cast(list[Any], part)]
        if not isinstance(part, str) or "{" not in part:
            return part
        names = {"{unique}": unique("made"), "{rule.lent}": str(person.lent if person else 1)}
        for kind, ids in things.ids.items():
            names |= {f"{{{kind}.{whose}}}": str(identity) for whose, identity in ids.items()}
            names[f"{{{kind}}}"] = str(self._identity(kind, name, ids, person))
        is_id = part in names and names[part].isdigit()
        for key, value in names.items():
            part = part.replace(key, value)
        return int(part) if is_id else part

    def _identity(self, kind: str, name: str, ids: dict[str, int], person: Person | None) -> int:
        if name == MISSING and kind == self.row.get("object"):
            return ABSENT
        if name == "self" and kind == "user":
            return person.id if person else ids["own"]
        return ids.get(name, ids["own"])


@cache
def _table() -> dict[str, Any]:
    return yaml.safe_load(_TABLE.read_text())


def all_rules() -> list[RuleName]:
    """Every rule that there is."""
    rules = cast(dict[str, dict[str, list[str]]], _table()["rules"])
    return [(name, operation, scope) for name, one in rules.items() for operation in one for scope in one[operation]]


def endpoints() -> list[Endpoint]:
    """All rows; lists come first, while there are few things to list."""
    rows = [Endpoint(title, row) for title, row in _table()["endpoints"].items()]
    for endpoint in rows:
        unknown = endpoint.row.keys() - _KEYS - {scope for _, _, scope in _rules_of(endpoint)}
        assert not unknown, f"{endpoint.title}: {unknown}"
    return rows


@dataclass(frozen=True)
class Address:
    """A row of the addresses at which no rules count."""

    title: str
    row: dict[str, Any]

    @property
    def method(self) -> str:
        return self.title.split()[0]

    @property
    def services(self) -> list[str]:
        """The services that have it."""
        return self.row.get("services") or [service_of(self.title.split()[1])]

    def path(self, things: Things, name: str) -> str:
        """The path for the objects of that name."""
        path = self.row.get("path", self.title.split()[1])
        for kind, ids in things.ids.items():
            path = path.replace(f"{{{kind}}}", str(ids.get(name, 0)))
        return path

    def expected(self, caller: CallerKind) -> int:
        """The status for this caller."""
        return self.row.get(caller.name, self.row["everybody"])


def addresses() -> list[Address]:
    """All addresses at which no rules count."""
    return [Address(title, row) for title, row in _table()["statuses"].items()]


def rows_of_routes() -> set[tuple[str, str]]:
    """Service, and method and path with `{}` for each parameter, of all that has a row."""
    public = {(service_of(title.split()[1]), title) for title in known_titles(endpoints())}
    other = {(service, address.title) for address in addresses() for service in address.services}
    return {(service, bare_title(title)) for service, title in public | other}


def bare_title(title: str) -> str:
    """Method and path without the names of parameters, which differ between the table and the code."""
    return _PARAMETER.sub("{}", title)


def _rules_of(endpoint: Endpoint) -> list[RuleName]:
    return [rule for rule in all_rules() if rule[:2] == endpoint.resource]


def callers(endpoint: Endpoint) -> list[CallerKind]:
    """Those with one rule that counts here, one with all rules but those, one without any, and who is no user.

    Rules only ever add to what one may. So nobody with some of the rules that do not count may more than who has
    them all.
    """
    counting = _rules_of(endpoint)
    others = tuple(rule for rule in all_rules() if rule not in counting)
    return [
        *map(_single, counting),
        CallerKind(f"all but {endpoint.resource}", others),
        CallerKind("without rules", ()),
        NODE,
        CONTAINER,
        SERVICE,
        ANYONE,
    ]


def bystanders(endpoint: Endpoint) -> list[CallerKind]:
    """Those with exactly one rule, which does not count here."""
    counting = _rules_of(endpoint)
    return [_single(rule) for rule in all_rules() if rule not in counting]


def _single(rule: RuleName) -> CallerKind:
    return CallerKind(" ".join(rule), (rule,))


def known_titles(rows: Sequence[Endpoint]) -> set[str]:
    """Method and path of each row, without queries and remarks."""
    return {" ".join(row.title.partition("?")[0].split()[:2]) for row in rows}
