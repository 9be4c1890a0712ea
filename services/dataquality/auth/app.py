"""The auth service's application."""

import structlog
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from dataquality.auth.described import OPERATIONS
from dataquality.auth.openapi.endpoints import router as openapi
from dataquality.auth.parts import AuthParts, make_parts
from dataquality.auth.password.endpoints import router as password
from dataquality.auth.recovery.endpoints import router as recovery
from dataquality.auth.rights.endpoints import router as rights
from dataquality.auth.rights.source import DatabasePermissions
from dataquality.auth.role.endpoints import router as role
from dataquality.auth.rule.endpoints import router as rule
from dataquality.auth.server.endpoints import router as server
from dataquality.auth.token.endpoints import router as token
from dataquality.auth.user.endpoints import router as user
from dataquality.core.app import create_app
from dataquality.core.context import Context, make_context
from dataquality.core.settings import Settings
from dataquality.model import ROOT_PASSWORD_IS_DEFAULT, ServerState

log = structlog.stdlib.get_logger(__name__)


def make_app(settings: Settings) -> FastAPI:
    """The application, with its connections still closed."""
    context = make_context(settings)
    # The others ask this service over HTTP; it need not ask itself.
    context.permissions = DatabasePermissions(context.database)
    context.parts[AuthParts] = make_parts(context)
    return create_app(
        context,
        *(token, password, recovery, user, role, rule, server, openapi, rights),
        described=OPERATIONS,
        on_start=_start,
        on_stop=_stop,
    )


async def _start(context: Context) -> None:
    if context.settings.smtp is None:
        log.warning("No mail can be sent: the configuration has no smtp. Users who lose their password cannot recover.")
    try:
        async with context.database.reading() as connection:
            query = select(ServerState.value).where(ServerState.key == ROOT_PASSWORD_IS_DEFAULT)
            is_default = await connection.scalar(query) == "true"
    except (SQLAlchemyError, OSError) as error:
        # Not ready, as /internal/ready says; the service comes up all the same and waits for its database.
        log.warning("the database does not answer at the start", error=type(error).__name__)
        return
    if is_default:
        log.warning("The user root still has its first password. Set another: `vserver user set-password root`.")


async def _stop(context: Context) -> None:
    context.part(AuthParts).passwords.close()
