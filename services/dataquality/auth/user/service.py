"""What is done with users."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.auth import notices
from dataquality.auth.letters import email_changed
from dataquality.auth.parts import AuthParts
from dataquality.auth.password.repository import forget_first_password
from dataquality.auth.password.service import with_password
from dataquality.auth.rights.guard import require_held, require_no_less, require_scope
from dataquality.auth.rights.source import grants_of_roles, grants_of_rules, grants_of_user
from dataquality.auth.rights.stamps import void_user
from dataquality.auth.user import policy, repository
from dataquality.auth.user.schemas import UserChange, UserCreation
from dataquality.core.addresses import Address
from dataquality.core.audit import record
from dataquality.core.callers import UserCaller
from dataquality.core.context import Context
from dataquality.core.errors import Forbidden, NotFound, Refused
from dataquality.core.first_password import ROOT_USERNAME
from dataquality.core.mail import Addressee
from dataquality.core.settings import Settings
from dataquality.core.usernames import username_problem
from dataquality.model import Operation

_TEXTS = ("username", "firstname", "lastname", "email")


async def find(connection: AsyncConnection, user_id: int) -> Any:
    """The user's row. Raises NotFound."""
    row = await repository.find(connection, user_id)
    if row is None:
        raise NotFound(f"There is no user with the id {user_id}.")
    return row


async def visible(connection: AsyncConnection, caller: UserCaller, user_id: int) -> Any:
    """The user's row, if the caller may see it."""
    row = await find(connection, user_id)
    policy.require_visible(caller, row)
    return row


@dataclass(frozen=True)
class _Place:
    """Where a new user is to be, and with which of the roles and rules that exist."""

    organization_id: int
    roles: set[int]
    rules: set[int]


async def require_create(connection: AsyncConnection, caller: UserCaller, wanted: UserCreation) -> _Place:
    """What the new user is to have. Raises Forbidden unless the caller may give all of it."""
    organization_id = wanted.organization_id or caller.organization_id
    await _require_organization(connection, organization_id)
    require_scope(caller, "user", Operation.CREATE, organization_id)
    roles = await repository.roles_among(connection, wanted.roles or ())
    rules = await repository.rules_among(connection, wanted.rules or ())
    _require_assignable(roles, organization_id)
    require_held(caller, await _grants(connection, set(roles), rules))
    return _Place(organization_id, set(roles), rules)


async def create(session: AsyncSession, caller: UserCaller, wanted: UserCreation, hashed: str) -> Any:
    """A new user with the given password hash; unknown roles and rules are skipped."""
    connection = await session.connection()
    place = await require_create(connection, caller, wanted)
    for field in ("username", "email"):
        await _require_free(connection, field, getattr(wanted, field))
    texts = {field: getattr(wanted, field) for field in _TEXTS}
    user_id = await repository.add(connection, **texts, password=hashed, organization_id=place.organization_id)
    await repository.replace_roles(connection, user_id, set(), place.roles)
    await repository.replace_rules(connection, user_id, set(), place.rules)
    detail = {"organization_id": place.organization_id, "roles": sorted(place.roles), "rules": sorted(place.rules)}
    await record(session, caller, "user_created", "user", user_id, detail)
    return await find(connection, user_id)


async def has_password_for_email(
    context: Context,
    parts: AuthParts,
    session: AsyncSession,
    caller: UserCaller,
    user_id: int,
    wanted: UserChange,
    address: Address | None,
) -> bool:
    """False where one's own e-mail is to change and the current password is wrong, which counts as a failed sign-in.

    Whoever has the mailbox can set a password: a session that was left open must not be enough. The session must be
    committed all the same. Raises Refused where the password is not given.
    """
    if user_id != caller.id or wanted.email is None:
        return True
    async with context.database.reading() as connection:
        user = await find(connection, user_id)
    policy.require_editable(caller, user)
    if user.email == wanted.email:
        return True
    if wanted.current_password is None:
        raise Refused(
            "To change your e-mail address, give your current password too.", {"current_password": "is needed"}
        )
    return await with_password(context, parts, session, caller, wanted.current_password, address) is not None


async def update(
    session: AsyncSession, settings: Settings, caller: UserCaller, user_id: int, wanted: UserChange
) -> Any:
    """Change a user; see UserChange."""
    connection = await session.connection()
    await repository.lock(connection, user_id)
    target = await find(connection, user_id)
    policy.require_editable(caller, target)
    await _require_no_less(connection, caller, target)
    values = await _new_values(connection, caller, target, wanted)
    detail: dict[str, Any] = {"changed": sorted(values)}
    organization_id = values.get("organization_id", target.organization_id)
    detail |= await _change_rights(connection, caller, user_id, organization_id, wanted)
    await repository.change(connection, user_id, values)
    if detail.keys() & {"roles", "rules"} or "organization_id" in values:
        await void_user(connection, user_id)
    await record(session, caller, "user_changed", "user", user_id, detail)
    if "email" in values:
        await notices.tell_at(session, settings, Addressee(user_id, target.email), target.username, email_changed)
    return await find(connection, user_id)


async def remove(session: AsyncSession, caller: UserCaller, user_id: int) -> None:
    """Delete a user, whose tokens end at once."""
    connection = await session.connection()
    await repository.lock(connection, user_id)
    target = await find(connection, user_id)
    policy.require_deletable(caller, target)
    await _require_no_less(connection, caller, target)
    await repository.remove(connection, user_id)
    if target.username == ROOT_USERNAME:
        await forget_first_password(connection, user_id)
    detail = {"username": target.username, "organization_id": target.organization_id}
    await record(session, caller, "user_deleted", "user", user_id, detail)


async def _require_no_less(connection: AsyncConnection, caller: UserCaller, target: Any) -> None:
    # Whoever could edit the e-mail of a more powerful user could take over their account.
    if target.id != caller.id:
        require_no_less(caller, await grants_of_user(connection, target.id))


async def _new_values(
    connection: AsyncConnection, caller: UserCaller, target: Any, wanted: UserChange
) -> dict[str, Any]:
    given = {field: getattr(wanted, field) for field in (*_TEXTS, "organization_id")}
    values = {field: value for field, value in given.items() if value is not None and value != getattr(target, field)}
    if "username" in values and target.id != caller.id:
        raise Refused("Only users themselves can change their username.", {"username": "is not yours to change"})
    if problem := username_problem(values.get("username", "")):
        raise Refused(f"The username {problem}.", {"username": problem})
    for field in ("username", "email"):
        if field in values:
            await _require_free(connection, field, values[field], target.id)
    if "organization_id" in values:
        await _require_organization(connection, values["organization_id"])
        # None: no organization's own scope is enough to move a user.
        require_scope(caller, "user", Operation.EDIT, None)
    return values


async def _change_rights(
    connection: AsyncConnection, caller: UserCaller, user_id: int, organization_id: int, wanted: UserChange
) -> dict[str, list[int]]:
    if wanted.roles is None and wanted.rules is None:
        return {}
    if user_id == caller.id:
        raise Forbidden("You cannot change your own roles and rules. Ask another administrator.")
    detail: dict[str, list[int]] = {}
    if wanted.roles is not None:
        detail["roles"] = await _change_roles(connection, caller, user_id, organization_id, set(wanted.roles))
    if wanted.rules is not None:
        detail["rules"] = await _change_rules(connection, caller, user_id, set(wanted.rules))
    return detail


async def _change_roles(
    connection: AsyncConnection, caller: UserCaller, user_id: int, organization_id: int, after: set[int]
) -> list[int]:
    roles = await repository.roles_among(connection, after)
    _require_known("role", after - roles.keys())
    before = await repository.role_ids(connection, user_id)
    _require_assignable({role: owner for role, owner in roles.items() if role not in before}, organization_id)
    require_held(caller, await grants_of_roles(connection, before | after))
    await repository.replace_roles(connection, user_id, before, after)
    return sorted(after)


async def _change_rules(connection: AsyncConnection, caller: UserCaller, user_id: int, after: set[int]) -> list[int]:
    _require_known("rule", after - await repository.rules_among(connection, after))
    before = await repository.rule_ids(connection, user_id)
    require_held(caller, await grants_of_rules(connection, before | after))
    await repository.replace_rules(connection, user_id, before, after)
    return sorted(after)


async def _grants(connection: AsyncConnection, roles: set[int], rules: set[int]) -> Any:
    return await grants_of_roles(connection, roles) | await grants_of_rules(connection, rules)


def _require_assignable(roles: dict[int, int | None], organization_id: int) -> None:
    for role, owner in roles.items():
        if owner is not None and owner != organization_id:
            raise Forbidden(f"Role {role} belongs to another organization than the user; give one of their own.")


def _require_known(kind: str, unknown: set[int]) -> None:
    if unknown:
        raise NotFound(f"There is no {kind} with the id {min(unknown)}.")


async def _require_organization(connection: AsyncConnection, organization_id: int) -> None:
    if not await repository.organization_exists(connection, organization_id):
        raise NotFound(f"There is no organization with the id {organization_id}.")


async def _require_free(connection: AsyncConnection, field: str, value: str, by_other_than: int | None = None) -> None:
    if await repository.is_taken(connection, field, value, by_other_than):
        raise Refused(f"Another user has this {field} already; choose another.", {field: "is taken"})
