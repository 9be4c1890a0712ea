"""Conditions on many ids: one parameter, however many they are (databases limit the number of parameters)."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, any_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection


def among(connection: AsyncConnection, column: Any, identities: Sequence[int] | Sequence[str]) -> ColumnElement[bool]:
    """The column holds one of these ids."""
    if connection.dialect.name == "sqlite":
        each = func.json_each(json.dumps(list(identities))).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(literal(list(identities), ARRAY(column.type)))
