"""Types of fields that only this service's requests have."""

from typing import Annotated

from pydantic import Field

from dataquality.core.fields import BodyId, Text

_MOST_CHARACTERS = 10_000
_MOST_ITEMS = 1000

BoundedText = Annotated[Text, Field(max_length=_MOST_CHARACTERS)]
"""A text of any use, but not of any length."""
BodyIds = Annotated[list[BodyId], Field(max_length=_MOST_ITEMS)]
"""Ids in a body; the order means nothing."""
