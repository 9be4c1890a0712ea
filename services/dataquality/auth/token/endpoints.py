"""Routes below `token`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from dataquality.auth.parts import OurContext, OurParts
from dataquality.auth.token import service, users
from dataquality.auth.token.schemas import ContainerRequest, NodeLogin, UserLogin, Which
from dataquality.auth.token.tokens import Tokens
from dataquality.core.addresses import ClientAddress
from dataquality.core.app import error_response
from dataquality.core.callers import NodeCaller, UserCaller, caller_of
from dataquality.core.context import Context
from dataquality.core.errors import ApiError, InvalidToken
from dataquality.core.session import ReadConnection, WriteSession
from dataquality.core.tokens import IdentityClaims

router = APIRouter(prefix="/token")
_AnyUser = Annotated[UserCaller, caller_of(UserCaller)]
_AnyNode = Annotated[NodeCaller, caller_of(NodeCaller)]


async def _refresh_claims(request: Request) -> IdentityClaims:
    claims = request.state.claims
    if isinstance(claims, ApiError):
        raise claims
    if not isinstance(claims, IdentityClaims) or claims.type != "refresh":
        raise InvalidToken("This address takes a refresh token, not an access token.")
    return claims


_RefreshClaims = Annotated[IdentityClaims, Depends(_refresh_claims)]


@router.post("/user")
async def sign_in_user(
    login: UserLogin, context: OurContext, parts: OurParts, session: WriteSession, address: ClientAddress
) -> JSONResponse:
    """One answer for an unknown name, a wrong password and a locked user."""
    outcome = await users.sign_in(context, parts, session, login, address)
    match outcome:
        case Tokens():
            return _signed_in(context, outcome)
        case users.Refused(msg):
            return _refused(msg)
        case users.CodeWanted():
            return JSONResponse({"msg": "Give the code of your authenticator app as well (mfa_code)."})
        case users.Enrolment(secret, uri):
            msg = "Add this to your authenticator app, then sign in again with the code that it shows."
            return JSONResponse({"qr_uri": uri, "otp_secret": secret, "msg": msg})


@router.post("/node")
async def sign_in_node(
    login: NodeLogin, context: OurContext, parts: OurParts, session: WriteSession, address: ClientAddress
) -> JSONResponse:
    """401 means that the key is unknown, and nothing else: the node gives up for good."""
    return _signed_in(context, await service.sign_in_node(context, parts, session, login, address))


@router.post("/container")
async def container(
    wanted: ContainerRequest, caller: _AnyNode, context: OurContext, connection: ReadConnection
) -> JSONResponse:
    """A token for the algorithm that the calling node is about to start."""
    return JSONResponse({"container_token": await service.container_token(context, connection, caller, wanted)})


@router.post("/refresh")
async def refresh(request: Request, claims: _RefreshClaims, context: OurContext, session: WriteSession) -> JSONResponse:
    """The whole token object again."""
    if claims.client_type == "node":
        presented = request.headers["authorization"].partition(" ")[2].strip()
        tokens = await service.refresh_node(context, claims, presented)
    else:
        tokens = await service.refresh_user(context, session, claims)
    if tokens is None:
        return _refused("This refresh token is void: it was replaced or taken back. Sign in again.")
    return JSONResponse(tokens.to_json(context.settings.api_path))


@router.post("/revoke")
async def revoke(caller: _AnyUser, request: Request, which: Which, session: WriteSession) -> JSONResponse:
    """Sign out: the tokens and sockets of this session end, or those of all."""
    claims: IdentityClaims = request.state.claims
    await service.revoke(session, caller, None if which.all else claims.sid)
    text = "All your sessions have ended." if which.all else "This session has ended."
    return JSONResponse({"msg": f"{text} Sign in again to go on."})


def _signed_in(context: Context, tokens: Tokens) -> JSONResponse:
    body = tokens.to_json(context.settings.api_path)
    return JSONResponse(body, headers={"jwt-token": tokens.access})


def _refused(msg: str) -> JSONResponse:
    # Not raised: what the refusal counted or ended must be committed.
    return error_response(401, "unauthorized", msg)
