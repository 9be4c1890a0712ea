"""What bodies and queries may hold, field by field."""

import base64
import binascii
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dataquality.core.fields import Text
from dataquality.core.query import MAX_ID, Boolean, Whole


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be text")
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be base64") from error
    # Whoever reads the key must get back the very text that was sent.
    if base64.b64encode(decoded).decode() != value:
        raise ValueError("must be base64 in its usual form: padded, without stray bits")
    return decoded


Name = Annotated[Text, Field(min_length=1)]
_LAST = "[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]="
_BASE64 = {
    "type": "string",
    "contentEncoding": "base64",
    "pattern": f"^(?:[A-Za-z0-9+/]{{4}})*(?:{_LAST})?$",
    "examples": ["cHVibGljIGtleQ=="],
}
PublicKey = Annotated[bytes, BeforeValidator(_decoded), WithJsonSchema(_BASE64)]
"""Base64 on the wire, bytes inside; empty for "none"."""
Reference = Annotated[int, Field(strict=True, ge=-MAX_ID, le=MAX_ID), Whole]
"""The id of something, which may not exist."""
Flag = Boolean


class Body(BaseModel):
    """The body of a request. Keys that it does not know are ignored, as existing clients need it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    def given(self) -> dict[str, Any]:
        """The fields that are there and not null: null means unchanged."""
        return {name: value for name in self.model_fields_set if (value := getattr(self, name)) is not None}


class Only(Body):
    """`{"id": ...}`: what to add or to take away."""

    id: Reference
