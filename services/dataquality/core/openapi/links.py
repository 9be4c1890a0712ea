"""Links: what can be done next with what an answer tells of."""

import re
from collections.abc import Iterator
from typing import Any

from dataquality.core.openapi.described import To

Json = dict[str, Any]
_ONE = r"/\{(\w+)\}(/[a-z]+)?"


def add_links(paths: Json, api_path: str) -> None:
    """What was made can be looked at, changed and deleted; of what is listed the first can be looked at."""
    for path, operations in paths.items():
        if re.fullmatch(re.escape(api_path) + r"/[a-z]+", path):
            below = [one for one in _below(paths, path) if _needs_only_the_id(*one)]
            if "post" in operations:
                _put(operations["post"], [_by_id(target, name, "/id") for _, target, name in below])
            if "get" in operations:
                shown = [_by_id(target, name, "/0/id") for method, target, name in below if method == "get"]
                _put(operations["get"], shown)


def put_links(operation: Json, links: list[To]) -> None:
    """Links that an operation's own description tells of."""
    _put(operation, links)


def _below(paths: Json, path: str) -> Iterator[tuple[str, Json, str]]:
    """Operations on one thing of a collection, with the name of the parameter that says which."""
    for other, targets in paths.items():
        found = re.fullmatch(re.escape(path) + _ONE, other)
        if found:
            for method, target in targets.items():
                yield method, target, found[1]


def _needs_only_the_id(method: str, target: Json, _name: str) -> bool:
    # A change of nothing is one too; but what else is to be added or taken away, the answer does not know.
    return "requestBody" not in target or method == "patch"


def _by_id(target: Json, name: str, pointer: str) -> To:
    return To(target["operationId"], {f"path.{name}": f"$response.body#{pointer}"})


def _put(operation: Json, links: list[To]) -> None:
    success = next(answer for status, answer in operation["responses"].items() if status < "300")
    for link in links:
        made: Json = {"operationId": link.operation}
        if link.parameters:
            made["parameters"] = dict(link.parameters)
        if link.body is not None:
            made["requestBody"] = link.body
        success.setdefault("links", {})[link.operation] = made
