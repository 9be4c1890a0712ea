"""What only this service has, and how handlers reach it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from dataquality.core.context import context_of
from dataquality.core.links import Links
from dataquality.dispatch.kick import Kicker
from dataquality.dispatch.shape import CHECKS, Check
from dataquality.dispatch.sockets.hub import Hub


@dataclass(frozen=True)
class DispatchParts:
    """What wakes the worker, and what holds the sockets."""

    kicker: Kicker
    hub: Hub


async def _links(request: Request) -> Links:
    return Links(context_of(request).settings.api_path)


async def _kicker(request: Request) -> Kicker:
    return context_of(request).part(DispatchParts).kicker


async def _shape(request: Request) -> Check:
    return CHECKS[context_of(request).settings.encryption_shape_check]


LinkMaker = Annotated[Links, Depends(_links)]
Shape = Annotated[Check, Depends(_shape)]
"""What is done with texts in the clear in an encrypted collaboration."""
Kick = Annotated[Kicker, Depends(_kicker)]
"""Wakes the worker for what the session has put into the outbox, once that is committed."""
