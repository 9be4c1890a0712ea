"""Routes below `user`."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from dataquality.auth.parts import LinkMaker, OurContext, OurParts
from dataquality.auth.password.endpoints import WRONG_CURRENT
from dataquality.auth.password.policy import require_good
from dataquality.auth.user import repository, service
from dataquality.auth.user.policy import AnyUser, UserCreator, UserViewer
from dataquality.auth.user.render import render
from dataquality.auth.user.schemas import Filter, UserChange, UserCreation
from dataquality.core.addresses import ClientAddress
from dataquality.core.app import error_response
from dataquality.core.fields import PathId
from dataquality.core.idempotency import Once
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession

router = APIRouter(prefix="/user")


@router.get("")
async def list_users(
    caller: UserViewer, wanted: Filter, page: Paging, links: LinkMaker, connection: ReadConnection
) -> JSONResponse:
    """The users that the caller may see."""
    rows, total = await repository.listing(caller, wanted).fetch(connection, page)
    return page.response([render(links, row) for row in rows], total)


@router.post("")
async def create_user(
    caller: UserCreator, wanted: UserCreation, parts: OurParts, links: LinkMaker, session: WriteSession, once: Once
) -> Response:
    """A new user."""
    require_good(wanted.password, wanted.username, "password")
    # Before the first statement: hashing takes long, and SQLite lets only one transaction write at a time.
    hashed = await parts.passwords.hash(wanted.password)

    async def make() -> JSONResponse:
        return JSONResponse(render(links, await service.create(session, caller, wanted, hashed)), 201)

    async def still() -> None:
        await service.require_create(await session.connection(), caller, wanted)

    return await once.answer(session, caller, make, still)


@router.get("/{user_id:int}")
async def show_user(caller: AnyUser, user_id: PathId, links: LinkMaker, connection: ReadConnection) -> JSONResponse:
    """One user; oneself always."""
    row = await service.visible(connection, caller, user_id)
    return JSONResponse(render(links, row))


@router.patch("/{user_id:int}")
async def change_user(
    caller: AnyUser,
    user_id: PathId,
    wanted: UserChange,
    links: LinkMaker,
    session: WriteSession,
    context: OurContext,
    parts: OurParts,
    address: ClientAddress,
) -> JSONResponse:
    """Change a user; one's own e-mail only with the current password."""
    if not await service.has_password_for_email(context, parts, session, caller, user_id, wanted, address):
        # Not raised: what was counted must be committed.
        return error_response(401, "unauthorized", WRONG_CURRENT)
    return JSONResponse(render(links, await service.update(session, context.settings, caller, user_id, wanted)), 200)


@router.delete("/{user_id:int}")
async def delete_user(caller: AnyUser, user_id: PathId, session: WriteSession) -> JSONResponse:
    """Delete a user."""
    await service.remove(session, caller, user_id)
    return JSONResponse({"msg": f"User {user_id} was deleted."})
