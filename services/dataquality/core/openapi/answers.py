"""The answers of an operation: its success, and each error that it may be answered with instead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from dataquality.core.idempotency import HEADER, REPLAYED
from dataquality.core.openapi.described import Described, Listed
from dataquality.core.openapi.examples import example_of
from dataquality.core.shapes import Error

Json = dict[str, Any]
_TEMPLATE = "#/components/schemas/{model}"
_EXAMPLES = {
    "bad_request": "The request is not valid. name: Input should be a valid string",
    "refused": "It cannot be done as things stand.",
    "conflict": "This clashes with something that is there already, or refers to something that is gone.",
    "unauthorized": "This token has expired. Sign in again, or refresh it.",
    "forbidden": "You lack the permission to view this organization. Ask an administrator for it.",
    "password_change_needed": "You still have the first password of this server, which everybody knows.",
    "not_found": "There is no task with the id 7.",
    "http_error": "There is nothing at this address.",
    "too_slow": "The rest of the body did not come. Send the request again.",
    "in_progress": f"A request with this {HEADER} is being carried out. Send it again in a moment.",
    "too_large": "The body is larger than the 1 MiB that this address takes.",
    "invalid_token": "The Authorization header must read `Bearer <access token>`.",
    "idempotency_key_used": f"This {HEADER} came with another request before. Make a new one for a new request.",
    "too_many_requests": "There were too many failed attempts. Try again in 60 seconds.",
    "unavailable": "The database does not answer at the moment. Nothing was changed; try again soon.",
}
_RETRY = {"Retry-After": {"description": "Seconds to wait before the next attempt", "schema": {"type": "string"}}}


@dataclass
class Errors:
    """Which errors there are, by status: codes, and sentences that say when."""

    codes: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    sentences: dict[int, list[str]] = field(default_factory=dict[int, list[str]])

    def add(self, status: int, code: str, sentence: str) -> None:
        """One more code of a status."""
        self.codes.setdefault(status, []).append(code)
        self.sentences.setdefault(status, []).append(sentence)


@dataclass(frozen=True)
class Traits:
    """What the types of a handler say that decides about its errors."""

    writes: bool
    callers: str
    takes_input: bool
    """True with query parameters, headers or a body."""
    query: bool
    body: bool
    path: bool
    once: bool


def errors_of(told: Described, traits: Traits) -> Errors:
    """All errors that the operation is answered with."""
    errors = Errors()
    for status, code, sentence in (*_of_request(told, traits), *_of_caller(told, traits), *_of_things(told, traits)):
        errors.add(status, code, sentence)
    errors.add(503, "unavailable", "A part of the server does not answer. Nothing was done; try again soon.")
    return errors


def _of_request(told: Described, traits: Traits) -> Iterator[tuple[int, str, str]]:
    if traits.takes_input:
        yield 400, "bad_request", "The request is malformed: `msg` says how, and `message` which fields are wrong."
    if told.refusals:
        yield 400, "refused", f"The request is well-formed, and refused all the same: {' '.join(told.refusals)}"
    if traits.writes:
        yield 400, "conflict", "It clashes with what another request did at the same moment; look, and try again."
    if traits.body:
        yield 408, "too_slow", "The body did not come in time."
        yield 413, "too_large", "The body is too large."
    if traits.query:
        yield 414, "http_error", "The address with its query is longer than 16,384 characters."
    if traits.once:
        yield 409, "in_progress", f"A request with the same {HEADER} is being carried out."
        yield 422, "idempotency_key_used", f"The {HEADER} came with another request before."


def _of_caller(told: Described, traits: Traits) -> Iterator[tuple[int, str, str]]:
    if traits.callers:
        yield 401, "unauthorized", "There is no token, or it has expired, or its owner is gone."
        yield 422, "invalid_token", "The token is malformed, wrongly signed, or of another kind."
    if traits.callers and not told.token:
        yield 401, "forbidden", "The caller lacks the permission."
    if "users" in traits.callers:
        yield 401, "password_change_needed", "The user root has its first password still, and the server is no test."
    if told.denied:
        yield 401, "unauthorized", told.denied
    if told.mail_token:
        yield 422, "invalid_token", "The token in the body was made for another purpose."
    if told.limited:
        yield 429, "too_many_requests", f"{told.limited} The header Retry-After says for how many seconds to wait."


def _of_things(told: Described, traits: Traits) -> Iterator[tuple[int, str, str]]:
    if traits.path:
        yield 404, "http_error", "What stands in the path for an id is none."
    if traits.path or told.missing:
        named = ["What the path names is not there."] if traits.path else []
        yield 404, "not_found", " ".join([*named, *([told.missing] if told.missing else [])])


def answers_of(told: Described, errors: Errors, schemas: Json, headers: Json) -> Json:
    """The `responses` of an operation."""
    schema, example = schema_of(told.answer, schemas)
    success: Json = {"description": told.summary, "content": {"application/json": {"schema": schema}}}
    if example is not None:
        success["content"]["application/json"]["example"] = example
    if headers:
        success["headers"] = headers
    found = {status: _error(status, errors, told.refusals, schemas) for status in sorted(errors.codes)}
    return {str(told.status): success, **{str(status): answer for status, answer in found.items()}}


def _error(status: int, errors: Errors, refusals: Sequence[str], schemas: Json) -> Json:
    base, _ = schema_of(Error, schemas)
    codes = list(dict.fromkeys(errors.codes[status]))
    schema = {"allOf": [base], "properties": {"code": {"enum": codes}}}
    examples = {code: {"value": {"msg": _EXAMPLES[code], "code": code}} for code in codes if code != "refused"}
    if "refused" in codes:
        for number, refusal in enumerate(refusals, 1):
            examples[f"refused {number}"] = {"value": {"msg": refusal, "code": "refused"}}
    answer: Json = {
        "description": "\n\n".join(errors.sentences[status]),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }
    if status in (409, 429, 503) and "http_error" not in codes:
        answer["headers"] = _RETRY
    return answer


def schema_of(answer: Any, schemas: Json) -> tuple[Json, Any]:
    """The schema of an answer and an example; what it consists of is put among `schemas`."""
    if isinstance(answer, Listed):
        item, example = schema_of(list[answer.item], schemas)
        links, _ = schema_of(dict[str, str], schemas)
        properties = {"data": item, "links": links}
        envelope: Json = {"type": "object", "properties": properties, "required": ["data", "links"]}
        return {"anyOf": [item, {**envelope, "additionalProperties": False}]}, example
    schema = TypeAdapter[Any](answer).json_schema(mode="serialization", ref_template=_TEMPLATE)
    schemas.update(schema.pop("$defs", {}))
    if schema.get("type") == "object" and "title" in schema:
        schemas[schema["title"]] = schema
        schema = {"$ref": _TEMPLATE.format(model=schema["title"])}
    return schema, example_of(schema, schemas)


def header(text: str, kind: str = "string") -> Json:
    """A header of an answer."""
    return {"description": text, "schema": {"type": kind}}


PAGE_HEADERS: Json = {
    "total-count": header("How many rows there are in all", "integer"),
    "Link": header("Path and query of the first, previous, this, next and last page"),
}
REPLAY_HEADERS: Json = {REPLAYED: header("`true` where this is the answer that the same request had before")}
