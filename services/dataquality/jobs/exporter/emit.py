"""The document as text. PyYAML's emitter and `json` behind types."""

import json
from collections.abc import Callable
from typing import Any, cast

import yaml

Document = dict[str, Any]
_Dumper: Any = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
_HEAD = """\
# Made by `vserver export`, for `vserver import`. It holds no passwords and no API keys.
# `api_key: new`: a node that is not there yet gets a new key; one that is there keeps its own.
"""


def to_yaml(document: Document) -> str:
    """YAML in the order of the document."""
    text = cast(Any, yaml).dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return f"{_HEAD}{text}"


def to_json(document: Document) -> str:
    """The same as JSON."""
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"


FORMATS: dict[str, Callable[[Document], str]] = {"yaml": to_yaml, "json": to_json}
