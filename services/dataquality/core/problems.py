"""What was wrong with a request, field by field, in the words of JSON and never of Python."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from dataquality.core.log_lines import CALLERS_TEXT

_OBJECT = "Input should be an object"
_WORDS = {
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "none_required": "Input should be null",
    "int_parsing_size": "Input should be a smaller number",
}
"""By the library's type of a problem: what it says otherwise is made for programmers."""
_PREFIX = "Value error, "


def problems_by_field(errors: Iterable[Mapping[str, Any]], body: Any) -> dict[str, str]:
    """A text for each field that is wrong, by the field's name with dots, given the body as it came."""
    found: dict[str, list[str]] = {}
    for error in errors:
        texts = found.setdefault(_field(error, body)[:CALLERS_TEXT], [])
        text = _WORDS.get(error["type"], str(error["msg"]).removeprefix(_PREFIX))
        if text not in texts:
            texts.append(text)
    return {field: _one_of(texts) for field, texts in found.items()}


def _one_of(texts: list[str]) -> str:
    """A field that takes several kinds of values has a text for each."""
    first, *more = texts
    return "; or ".join([first, *(text[:1].lower() + text[1:] for text in more)])


def _field(error: Mapping[str, Any], body: Any) -> str:
    source, *parts = error["loc"]
    if source != "body":
        return ".".join(str(part) for part in parts) or str(source)
    *path, last = parts or [""]
    names, here = _walk(path, body)
    if error["type"] == "missing" or _has(here, last):
        names.append(str(last))
    return ".".join(name for name in names if name) or str(source)


def _walk(path: list[Any], body: Any) -> tuple[list[str], Any]:
    """The parts of a path that the body has, and what is there. The others name a kind of value, in Python's words."""
    names, here = list[str](), body
    for part in path:
        if _has(here, part):
            names.append(str(part))
            here = here[part]
    return names, here


def _has(value: Any, part: Any) -> bool:
    if isinstance(value, dict):
        return part in cast(dict[Any, Any], value)
    return isinstance(value, list) and isinstance(part, int) and part < len(cast(list[Any], value))
