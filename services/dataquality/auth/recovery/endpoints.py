"""Routes below `recover`."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from dataquality.auth.parts import OurContext, OurParts
from dataquality.auth.recovery.schemas import Lost, PasswordReset, TwoFactorLost, TwoFactorReset
from dataquality.auth.recovery.service import Recovery
from dataquality.core.addresses import ClientAddress
from dataquality.core.app import error_response
from dataquality.core.session import WriteSession

router = APIRouter(prefix="/recover")
_SENT = {"msg": "If there is such an account, a mail with a reset token is on its way to the address known for it."}
_WRONG = "Wrong username, e-mail or password. After too many wrong ones, wait before you try again."
_RESET = {"msg": "Your password was set. Sign in with it; wherever you were signed in, you must sign in again."}
_NEW_FACTOR = "Add this to your authenticator app, then sign in with the code that it shows."


async def _recovery(context: OurContext, parts: OurParts, session: WriteSession, address: ClientAddress) -> Recovery:
    return Recovery(context, parts, session, address)


_Recovery = Annotated[Recovery, Depends(_recovery)]


@router.post("/lost")
async def lost_password(lost: Lost, recovery: _Recovery) -> JSONResponse:
    """One answer, whether there is such a user or not."""
    await recovery.lost_password(lost)
    return JSONResponse(_SENT)


@router.post("/reset")
async def reset_password(wanted: PasswordReset, recovery: _Recovery) -> JSONResponse:
    """Set a new password with the token from the mail."""
    await recovery.reset_password(wanted)
    return JSONResponse(_RESET)


@router.post("/2fa/lost")
async def lost_factor(lost: TwoFactorLost, recovery: _Recovery) -> JSONResponse:
    """Mail a token to whoever knows the password."""
    if not await recovery.lost_factor(lost):
        # Not raised: what was counted must be committed.
        return error_response(401, "unauthorized", _WRONG)
    return JSONResponse(_SENT)


@router.post("/2fa/reset")
async def reset_factor(wanted: TwoFactorReset, recovery: _Recovery) -> JSONResponse:
    """Set a new second factor with the token from the mail."""
    new = await recovery.reset_factor(wanted)
    body = {"qr_uri": new.uri, "otp_secret": new.secret, "msg": _NEW_FACTOR}
    return JSONResponse(body)
