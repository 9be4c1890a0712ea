"""Turns the schema's errors into what was found, what is expected, and what to do."""

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from vserver.config.keys import KEYS, REFUSED, SECRETS, Names, beside, elsewhere
from vserver.config.source import Flaw, KeyPath, Unusable, dotted
from vserver.config.text import described, nearest, shown

ABSENT = object()
"""Stands for the value of a key that is not written."""

_EXPECTED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "refused": lambda context: context["expected"],
    "string_type": lambda _: "text",
    "bool_type": lambda _: "true or false",
    "path_type": lambda _: "the full path of a folder",
    "tuple_type": lambda _: "a list",
    "greater_than_equal": lambda context: f"at least {context['ge']:g}",
    "greater_than": lambda context: f"more than {context['gt']:g}",
    "less_than_equal": lambda context: f"at most {context['le']:.0f}",
    "finite_number": lambda _: "a number",
    "literal_error": lambda context: f"one of {_choices(context)}",
}


def explained(error: ValidationError, value: object, at: KeyPath, referenced: Set[KeyPath]) -> Iterator[Flaw]:
    """The flaws of the environment `value` that stands at `at`. Where `referenced`, values are not shown."""
    for detail in error.errors(include_url=False, include_input=False):
        place = detail["loc"]
        found = _look_up(value, place)
        if not isinstance(found, Unusable):
            yield _explain(detail, found, (*at, *place), (*at, *place) in referenced)


def _look_up(value: object, place: KeyPath) -> object:
    for part in place:
        if isinstance(value, dict) and part in value:
            value = cast(dict[str | int, object], value)[part]
        elif isinstance(value, list) and isinstance(part, int):
            value = cast(list[object], value)[part]
        elif isinstance(value, Unusable):
            return value
        else:
            return ABSENT
    return value


def _explain(detail: ErrorDetails, found: object, at: KeyPath, is_reference: bool) -> Flaw:
    place = detail["loc"]
    names = tuple(part for part in place if isinstance(part, str))
    kind = detail["type"]
    if kind == "extra_forbidden":
        return Flaw(at, *_unknown(names))
    if kind == "missing":
        return Flaw(at, "this key is missing", _example(names) or f"Give {dotted(place)} a value")
    context = detail.get("ctx", {})
    hidden = is_reference or names in SECRETS or bool(names in KEYS and KEYS[names].group)
    expected = _EXPECTED.get(kind, lambda _: _group(names))(context)
    hint = context.get("hint") or _hint(kind, context, found, is_reference) or _example(names)
    return Flaw(at, f"{_found(found, names, hidden)}, expected {expected}", hint)


def _found(found: object, names: Names, hidden: bool) -> str:
    if found is ABSENT:
        return f"{described(KEYS[names].field.default, hidden)}, the default"
    return described(found, hidden)


def _unknown(names: Names) -> tuple[str, str]:
    """What to say of a key that the schema does not know."""
    if names in REFUSED:
        return REFUSED[names]
    known = beside(names[:-1])
    close = nearest(names[-1], known)
    place = elsewhere(names[-1])
    if close:
        return "there is no such key", f"Did you mean {close}?"
    if place:
        return "there is no such key here", f"Did you mean {'.'.join(place)}?"
    return "there is no such key", f"Known here: {', '.join(known)}"


def _group(names: Names) -> str:
    return f"a group of the keys {', '.join(beside(names))}"


def _hint(kind: str, context: Mapping[str, Any], found: object, is_reference: bool) -> str:
    if kind == "bool_type" and is_reference:
        return "Write true or false itself: a reference gives text"
    if kind == "bool_type":
        word = str(found).strip().lower()
        return f"Write {word if word in {'true', 'false'} else 'true or false'} without quotes"
    if kind == "string_type" and isinstance(found, bool | int | float):
        return "Put it in quotes"
    if kind == "literal_error" and isinstance(found, str) and not is_reference:
        close = nearest(found, _choices(context).replace(" or ", ", ").split(", "))
        return f"Did you mean {close}?" if close else ""
    return ""


def _choices(context: Mapping[str, Any]) -> str:
    return str(context["expected"]).replace("'", "")


def _example(names: Names) -> str:
    examples = KEYS[names].field.examples if names in KEYS else None
    if not examples:
        return ""
    first: object = examples[0]
    if isinstance(first, list):
        return f"For example [{', '.join(map(str, cast(list[object], first)))}]"
    return f"For example {shown(str(first))}"
