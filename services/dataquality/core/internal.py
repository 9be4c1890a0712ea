"""Who may call `/internal/...`: our own services, with a short-lived service token."""

from typing import Annotated

from fastapi import Depends, Request

from dataquality.core.client import SERVICE_PURPOSE
from dataquality.core.context import context_of
from dataquality.core.errors import Unauthorized


async def _service(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("This address is for the server's own parts.")
    return str(context_of(request).service_key.read_for(SERVICE_PURPOSE, token)["sub"])


CallingService = Annotated[str, Depends(_service)]
"""The name of the component that calls."""
