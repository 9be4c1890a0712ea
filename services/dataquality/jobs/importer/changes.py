"""Makes what exists as the file has it. Whoever's rights change gets another stamp: they follow at once."""

import base64
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, update

from dataquality.core.stamps import touched_by_roles, voided
from dataquality.jobs.importer.differences import Columns, Difference, Kind, Roles, Rules
from dataquality.jobs.importer.document import RoleKey
from dataquality.jobs.importer.rows import insert_rows, table
from dataquality.model import (
    AuditEntry,
    Authenticatable,
    Collaboration,
    Node,
    Organization,
    Role,
    User,
    permission,
    role_rule_association,
    userpermission,
)

_TABLES: dict[Kind, Table] = {
    "organizations": table(Organization),
    "roles": table(Role),
    "users": table(User),
    "collaborations": table(Collaboration),
    "nodes": table(Node),
}
_COLUMNS = {"node_name": "name"}
_BY = "batch import"


def apply(
    connection: Connection, differences: Iterable[Difference], roles: dict[RoleKey, int], rules: dict[str, int]
) -> None:
    """Make all of them agree, and record each in the audit trail."""
    for difference in differences:
        change = difference.change
        if isinstance(change, Columns):
            _set(connection, difference, change)
        elif isinstance(change, Roles):
            wanted = [{"role_id": roles[key], "user_id": difference.id} for key in change.keys]
            _replace(connection, permission, permission.c.user_id, difference.id, wanted)
            connection.execute(voided(Authenticatable.id == difference.id))
        else:
            _set_rules(connection, difference, change, rules)
        _record(connection, difference)


def _set(connection: Connection, difference: Difference, change: Columns) -> None:
    where = _TABLES[difference.kind]
    values = {_COLUMNS.get(change.column, change.column): change.value}
    connection.execute(update(where).where(where.c.id == difference.id).values(**values))


def _set_rules(connection: Connection, difference: Difference, change: Rules, rules: dict[str, int]) -> None:
    ids = sorted(rules[rule] for rule in change.rules)
    if difference.kind == "users":
        wanted = [{"user_id": difference.id, "rule_id": rule_id} for rule_id in ids]
        _replace(connection, userpermission, userpermission.c.user_id, difference.id, wanted)
        connection.execute(voided(Authenticatable.id == difference.id))
        return
    wanted = [{"role_id": difference.id, "rule_id": rule_id} for rule_id in ids]
    _replace(connection, role_rule_association, role_rule_association.c.role_id, difference.id, wanted)
    connection.execute(voided(touched_by_roles([difference.id])))


def _replace(connection: Connection, where: Table, column: Any, identity: int, rows: list[dict[str, Any]]) -> None:
    connection.execute(delete(where).where(column == identity))
    insert_rows(connection, where, rows)


def _record(connection: Connection, difference: Difference) -> None:
    """As the API records it: an older public key is kept, of other values only that they changed."""
    change, subject = difference.change, difference.kind.removesuffix("s")
    if isinstance(change, Columns) and change.column == "public_key":
        old = base64.b64encode(change.old if isinstance(change.old, bytes) else b"").decode()
        action, detail = "public key changed", {"old": old, "by": _BY}
    else:
        what = change.column if isinstance(change, Columns) else type(change).__name__.lower()
        action, detail = f"{subject}_changed", {"changed": [what], "by": _BY}
    row = {"actor_type": "operator", "action": action, "subject_type": subject, "subject_id": difference.id}
    connection.execute(insert(AuditEntry).values(**row, detail=detail))
