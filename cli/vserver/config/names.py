"""The names that a configuration may use, and how ours appear in folders and projects."""

import re
from typing import Literal, get_args

APP = "dataquality"

Scope = Literal["system", "user"]
EnvironmentName = Literal["application", "prod", "acc", "test", "dev"]
EnvironmentType = Literal["prod", "acc", "test", "dev"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
ENVIRONMENT_NAMES: tuple[EnvironmentName, ...] = get_args(EnvironmentName)
ENVIRONMENT_TYPES: tuple[EnvironmentType, ...] = get_args(EnvironmentType)
STRICT_TYPES = frozenset[EnvironmentType]({"acc", "prod"})
"""Where real people's data may be: weak secrets and the first password are refused."""

LONGEST_NAME = 64

JSON_LINES = "json"
"""The `logging.format` that asks for one JSON object a line."""


def wrong_name(name: str) -> str | None:
    """Why `name` cannot be the name of a configuration; None when it can."""
    if not re.fullmatch(r"[a-zA-Z0-9_.-]+", name):
        return "may hold only letters a to z, digits, and the characters _ . -"
    if not name.strip("."):
        return "may not consist of dots alone, because it names folders"
    if len(name) > LONGEST_NAME:
        return f"may be at most {LONGEST_NAME} characters long, because it names folders and containers"
    return None
