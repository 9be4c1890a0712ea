"""Routes below `password`."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from dataquality.auth.parts import OurContext, OurParts
from dataquality.auth.password import service
from dataquality.auth.password.schemas import PasswordChange
from dataquality.core.addresses import ClientAddress
from dataquality.core.app import error_response
from dataquality.core.callers import UserCaller, caller_of
from dataquality.core.session import WriteSession
from dataquality.core.tokens import IdentityClaims

router = APIRouter(prefix="/password")
WRONG_CURRENT = "The current password is wrong, or there were too many wrong ones: then wait before you try again."
_AnyUser = Annotated[UserCaller, caller_of(UserCaller)]


@router.patch("/change")
async def change(
    request: Request,
    wanted: PasswordChange,
    caller: _AnyUser,
    context: OurContext,
    parts: OurParts,
    session: WriteSession,
    address: ClientAddress,
) -> JSONResponse:
    """Change one's own password."""
    claims = request.state.claims
    family = claims.sid if isinstance(claims, IdentityClaims) else None
    if not await service.change(context, parts, session, caller, family, wanted, address):
        # Not raised: what was counted must be committed.
        return error_response(401, "unauthorized", WRONG_CURRENT)
    return JSONResponse({"msg": "Your password was changed. Other places where you were signed in must sign in again."})
