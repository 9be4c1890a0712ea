"""What schemathesis must know beside the description. Loaded by schemathesis itself, in a process of its own.

Whose token an operation takes; what the fuzzer must leave alone, because it stands on it; checks of our own; and a
tally of what was answered, for the test that started the run.
"""

import atexit
import json
import os
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import requests
import schemathesis

_schemathesis = cast(Any, schemathesis)
_TOLD: dict[str, Any] = json.loads(os.environ.get("FUZZING", '{"tokens": {}, "kept": {}}'))
_TOKENS: dict[str, str] = _TOLD["tokens"]
_KEPT: dict[str, list[int]] = _TOLD["kept"]
"""By noun: what the fuzzer itself is or stands on, and root, whom others need after it."""
_HARMLESS = ("change_organization", "add_organization_to_collaboration", "add_node_to_collaboration")
_LONGEST_QUERY = 50_000
_NOBODY = 2_000_000_000
_MEANT = {400: ("refused", "conflict"), 422: ("invalid_token",)}
"""Codes that a well-formed request may be answered with; a token from a mail is any text, and may be a false one."""
_chance = random.Random(1)
_tally: Counter[str] = Counter()
_enforced: set[str] = set()


@_schemathesis.auth(refresh_interval=None)
class TokenOfAFittingCaller:
    """A user's token where users may call; else that of a node, or a refresh token.

    Signing out has a user of its own, whose session the first call ends.
    """

    def get(self, case: Any, _context: Any) -> str:
        if case.operation.path.endswith("/token/revoke"):
            return _TOKENS["leaving"]
        callers = case.operation.definition.raw["x-callers"]
        kind = "user" if "users" in callers else "node" if callers.startswith("nodes") else "refresh"
        return _TOKENS[kind]

    def set(self, case: Any, data: str, _context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@_schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leaves out what the description cannot say; see schemathesis.toml, section "Cases"."""
    query: dict[str, Any] = case.query or {}
    headers: Any = case.headers or {}
    key = str(headers.get("Idempotency-Key", "")) if hasattr(headers, "get") else ""
    is_short = len(urlencode(dict(query), doseq=True)) < _LONGEST_QUERY
    return is_short and ("per_page" not in query or bool(query.get("page"))) and key == key.strip()


@_schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Turns away from the fuzzer itself what would delete it or take away what it stands on."""
    # Failed sign-ins are limited by address. Behind a proxy of the operator's own, which this run plays, each has one.
    address = ".".join(str(_chance.randrange(1, 255)) for _ in range(3))
    case.headers = {**(case.headers or {}), "X-Forwarded-For": f"10.{address}"}
    if case.operation.method.upper() == "GET":
        _ask_for_all(case)
        return
    _take_new_key(case)
    _spare_path(case)
    _spare_body(case)


def _ask_for_all(case: Any) -> None:
    # Chance sets every filter, and so finds nothing: every other well-formed list is asked for whole.
    if _is_positive(case) and not case.path_parameters and _chance.random() < 0.5:
        case.query = {}


def _take_new_key(case: Any) -> None:
    # hypothesis plays a scenario again and again. With the key of the last time it would hear of what is gone by now.
    if _is_positive(case) and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


def _is_positive(case: Any) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _spare_path(case: Any) -> None:
    if case.operation.definition.raw["operationId"] in _HARMLESS:
        return
    noun = case.operation.path.removeprefix("/api/").split("/")[0]
    for name, value in dict(case.path_parameters or {}).items():
        if str(value) in map(str, _KEPT.get(noun, ())):
            case.path_parameters[name] = _NOBODY


def _spare_body(case: Any) -> None:
    # Its node would get another key, or be moved or deleted.
    takes_node = case.operation.path.endswith(("/collaboration/{identity}/node", "/recover/node"))
    body: Any = case.body
    named = cast(dict[str, Any], body).get("id") if isinstance(body, dict) else None
    if takes_node and str(named) in map(str, _KEPT["node"]):
        case.body = {**body, "id": _NOBODY}


@_schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Counts the answers of each operation."""
    _tally[f"{case.operation.definition.raw['operationId']} {response.status_code}"] += 1


@atexit.register
def write_tally() -> None:
    """For the test that started this run."""
    if path := os.environ.get("FUZZING_TALLY"):
        Path(path).write_text(json.dumps(_tally))


@schemathesis.check
def the_well_formed_is_not_called_malformed(_ctx: Any, response: Any, case: Any) -> None:
    """What fits the description may be refused for what is there, with a code that says so, but not for its form."""
    if _is_positive(case) and response.status_code in _MEANT:
        answer = response.json()
        assert answer["code"] in _MEANT[response.status_code], f"called malformed, though it fits: {answer}"


@schemathesis.check
def only_valid_tokens_open(_ctx: Any, response: Any, case: Any) -> None:
    """Without a token 401, with a false or foreign one 422, as the contract has it."""
    name = case.operation.definition.raw["operationId"]
    if response.request.method != case.operation.method.upper():
        return
    if not case.operation.definition.raw["security"] or response.status_code >= 300 or name in _enforced:
        return
    _enforced.add(name)
    token = response.request.headers["Authorization"]
    for given, wanted in ((None, 401), ("Bearer false", 422), (token[:-8] + "AAAAAAAA", 422)):
        again = _again(response.request, given)
        assert again.status_code == wanted, f"{wanted} for the token {given!r}, but {again.status_code}"


def _again(request: Any, token: str | None) -> requests.Response:
    headers = {key: value for key, value in request.headers.items() if key != "Authorization"}
    if token is not None:
        headers["Authorization"] = token
    return requests.request(request.method, request.url, headers=headers, data=request.body, timeout=30)
