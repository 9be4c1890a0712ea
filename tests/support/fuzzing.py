"""What schemathesis must know beside the description: whose token an operation takes. Loaded by schemathesis itself."""

import json
import os
from typing import Any

import schemathesis

_TOKENS: dict[str, str] = json.loads(os.environ.get("FUZZING_TOKENS", "{}"))

_KEPT = os.environ.get("FUZZING_KEPT", "").split()
_NOBODY = 2_000_000_000


@schemathesis.auth(refresh_interval=None)
class TokenOfAFittingCaller:
    """A user's token where users may call; else that of a node, or a refresh token."""

    def get(self, case: Any, _context: Any) -> str:
        callers = case.operation.definition.raw["x-callers"]
        kind = "user" if "users" in callers else "node" if callers.startswith("nodes") else "refresh"
        return _TOKENS[kind]

    def set(self, case: Any, data: str, _context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leaves out what the description cannot say.

    Without a page `per_page` says nothing, and whatever it is is right. White space around a header's value does not
    travel. A longer query than servers take is refused before any of our code sees it.
    """
    query = case.query or {}
    headers = case.headers or {}
    key = str(headers.get("Idempotency-Key", "")) if hasattr(headers, "get") else ""
    return ("per_page" not in query or bool(query.get("page"))) and key == key.strip() and len(str(query)) < 4000


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Turns away from the fuzzer itself what would delete it: ids are learned from lists, and it is in them."""
    if case.operation.method.upper() == "GET":
        return
    for name, value in dict(case.path_parameters or {}).items():
        if str(value) in _KEPT:
            case.path_parameters[name] = _NOBODY
    if isinstance(case.body, dict) and str(case.body.get("id")) in _KEPT:
        case.body = {**case.body, "id": _NOBODY}
