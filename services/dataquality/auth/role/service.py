"""What is done with roles."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.auth.rights.guard import require_all_rules, require_held, require_scope
from dataquality.auth.rights.source import grants_of_roles, grants_of_rules
from dataquality.auth.rights.stamps import void_role
from dataquality.auth.role import policy, repository
from dataquality.auth.role.schemas import RoleChange, RoleCreation
from dataquality.auth.rule import repository as rule_repository
from dataquality.core.audit import record
from dataquality.core.callers import UserCaller
from dataquality.core.errors import NotFound
from dataquality.core.paging import Listing
from dataquality.model import Operation


async def visible(connection: AsyncConnection, caller: UserCaller, role_id: int) -> Any:
    """The role's row, if the caller may see it; one's own always."""
    role = _found(await repository.find(connection, role_id), role_id)
    if not await repository.is_held_by(connection, role_id, caller.id):
        policy.require(caller, Operation.VIEW, role)
    return role


async def rules_in(connection: AsyncConnection, caller: UserCaller, role_id: int) -> Listing:
    """The rules in a role, if the caller may see them."""
    policy.require(caller, Operation.VIEW, _found(await repository.find(connection, role_id), role_id))
    return rule_repository.in_role(role_id)


async def require_create(connection: AsyncConnection, caller: UserCaller, wanted: RoleCreation) -> int:
    """The organization of the role to come. Raises Forbidden unless the caller may give it such a one."""
    organization_id = wanted.organization_id or caller.organization_id
    if not await repository.organization_exists(connection, organization_id):
        raise NotFound(f"There is no organization with the id {organization_id}.")
    require_scope(caller, "role", Operation.CREATE, organization_id)
    policy.require_free_name(wanted.name)
    await _require_givable(connection, caller, set(wanted.rules or ()))
    return organization_id


async def create(session: AsyncSession, caller: UserCaller, wanted: RoleCreation) -> Any:
    """A new role."""
    connection = await session.connection()
    organization_id = await require_create(connection, caller, wanted)
    rules = set(wanted.rules or ())
    role_id = await repository.add(connection, wanted.name, wanted.description, organization_id)
    await repository.replace_rules(connection, role_id, set(), rules)
    detail = {"name": wanted.name, "organization_id": organization_id, "rules": sorted(rules)}
    await record(session, caller, "role_created", "role", role_id, detail)
    return await repository.find(connection, role_id)


async def update(session: AsyncSession, caller: UserCaller, role_id: int, wanted: RoleChange) -> Any:
    """Change a role; see RoleChange."""
    connection = await session.connection()
    role = await _wholly_held(connection, caller, Operation.EDIT, role_id)
    given = {"name": wanted.name, "description": wanted.description}
    values = {field: value for field, value in given.items() if value is not None and value != getattr(role, field)}
    if "name" in values:
        policy.require_free_name(values["name"])
    await repository.change(connection, role_id, values)
    detail: dict[str, Any] = {"changed": sorted(values)}
    if wanted.rules is not None:
        rules = set(wanted.rules)
        await _require_givable(connection, caller, rules)
        await _set_rules(connection, role_id, await repository.rule_ids(connection, role_id), rules)
        detail["rules"] = sorted(rules)
    await record(session, caller, "role_changed", "role", role_id, detail)
    return await repository.find(connection, role_id)


async def remove(session: AsyncSession, caller: UserCaller, role_id: int) -> None:
    """Delete a role and take it from all who have it."""
    connection = await session.connection()
    role = await _wholly_held(connection, caller, Operation.DELETE, role_id)
    await void_role(connection, role_id)
    await repository.remove(connection, role_id)
    detail = {"name": role.name, "organization_id": role.organization_id}
    await record(session, caller, "role_deleted", "role", role_id, detail)


async def require_add_rule(connection: AsyncConnection, caller: UserCaller, role_id: int, rule_id: int) -> None:
    """Raise Forbidden unless the caller may put this rule into this role."""
    await _wholly_held(connection, caller, Operation.EDIT, role_id)
    await _require_givable(connection, caller, {rule_id})


async def add_rule(session: AsyncSession, caller: UserCaller, role_id: int, rule_id: int) -> Listing:
    """Put a rule into a role, where it may be already; the rules that are in it now."""
    connection = await session.connection()
    await require_add_rule(connection, caller, role_id, rule_id)
    before = await repository.rule_ids(connection, role_id)
    await _set_rules(connection, role_id, before, before | {rule_id})
    await record(session, caller, "role_rule_added", "role", role_id, {"rule": rule_id})
    return rule_repository.in_role(role_id)


async def remove_rule(session: AsyncSession, caller: UserCaller, role_id: int, rule_id: int) -> Listing:
    """Take a rule out of a role; the rules that are left."""
    connection = await session.connection()
    await _wholly_held(connection, caller, Operation.DELETE, role_id)
    before = await repository.rule_ids(connection, role_id)
    if rule_id not in before:
        raise NotFound(f"There is no rule with the id {rule_id} in role {role_id}.")
    await _set_rules(connection, role_id, before, before - {rule_id})
    await record(session, caller, "role_rule_removed", "role", role_id, {"rule": rule_id})
    return rule_repository.in_role(role_id)


async def _wholly_held(connection: AsyncConnection, caller: UserCaller, operation: Operation, role_id: int) -> Any:
    """The role, of which the caller holds every rule: with less, one could take from its holders what one lacks."""
    role = _found(await repository.find_locked(connection, role_id), role_id)
    policy.require_changeable(caller, operation, role)
    require_all_rules(caller, await grants_of_roles(connection, {role_id}))
    return role


async def _require_givable(connection: AsyncConnection, caller: UserCaller, rules: set[int]) -> None:
    if unknown := rules - await repository.rules_among(connection, rules):
        raise NotFound(f"There is no rule with the id {min(unknown)}.")
    require_held(caller, await grants_of_rules(connection, rules))


async def _set_rules(connection: AsyncConnection, role_id: int, before: set[int], after: set[int]) -> None:
    if before != after:
        await repository.replace_rules(connection, role_id, before, after)
        await void_role(connection, role_id)


def _found(role: Any | None, role_id: int) -> Any:
    if role is None:
        raise NotFound(f"There is no role with the id {role_id}.")
    return role
