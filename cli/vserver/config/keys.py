"""What is known about keys beyond their values: which hold secrets, which came too early, which came too late."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from vserver.config.schema import Environment

Names = tuple[str, ...]
"""The path of a key inside an environment; entries of lists have no part in it."""

NOT_YET: dict[str, str] = {
    "vpn_server": "this version does not serve the VPN routes yet",
}
"""Keys that are read and checked but that nothing uses so far, and what therefore does not happen."""

REFUSED: dict[Names, tuple[str, str]] = {
    ("rabbitmq_uri",): (
        "this key belongs to the older server; nothing here uses RabbitMQ",
        "Remove it: the stack brings its own Redis, and the key workers says how many processes use it",
    ),
    ("rabbitmq",): (
        "this key belongs to the older server; nothing here uses RabbitMQ",
        "Remove it: the stack brings its own Redis, and the key workers says how many processes use it",
    ),
    ("ui",): (
        "this key belongs to the older server; this one has no web interface",
        "Remove it, and run a web interface by itself if you need one",
    ),
    ("images", "ui"): (
        "this key belongs to the older server; this one has no web interface",
        "Remove it, and run a web interface by itself if you need one",
    ),
    ("debug",): (
        "this key belongs to the older server",
        "Remove it, and set logging.level: DEBUG, or the level of one library in logging.loggers",
    ),
}


@dataclass(frozen=True)
class Key:
    """A key that an environment may hold."""

    names: Names
    field: FieldInfo
    group: type[BaseModel] | None


def _walk(model: type[BaseModel], above: Names) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        names = (*above, field.alias or name)
        group = _group(field.annotation)
        yield Key(names, field, group)
        if group:
            yield from _walk(group, names)


def _group(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation such as `Smtp | None` or `tuple[Logger, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_group, get_args(annotation))), None)


KEYS: dict[Names, Key] = {key.names: key for key in _walk(Environment, ())}


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))


SECRETS: frozenset[Names] = frozenset(
    names for names, key in KEYS.items() if not key.group and _holds_secret(key.field.annotation)
)


def beside(above: Names) -> list[str]:
    """The keys that may stand in a group."""
    return [names[-1] for names in KEYS if names[:-1] == above]


def elsewhere(name: str) -> Names | None:
    """Where a key of this name belongs: the one place, or the one nearest to the top."""
    places = sorted((names for names in KEYS if names[-1].lower() == name.lower()), key=len)
    is_clear = len(places) == 1 or (len(places) > 1 and len(places[0]) < len(places[1]))
    return places[0] if is_clear else None
