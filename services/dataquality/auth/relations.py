"""What users, roles and rules link to, as one value per row and relation."""

from typing import Any

from sqlalchemy import FromClause, Select

from dataquality.core.aggregates import ids_of, newest_of
from dataquality.model import Role, Rule, Task, User, permission, role_rule_association, userpermission

Statement = Select[*tuple[Any, ...]]
"""A query for plain rows."""

_users: FromClause = User.__table__
_roles: FromClause = Role.__table__
_rules: FromClause = Rule.__table__
_tasks: FromClause = Task.__table__

user_relations = (
    ids_of(permission.c.role_id, permission.c.user_id == _users.c.id).label("roles"),
    ids_of(userpermission.c.rule_id, userpermission.c.user_id == _users.c.id).label("rules"),
    newest_of(_tasks.c.id, _tasks.c.init_user_id == _users.c.id, _users).label("created_tasks"),
)
role_relations = (
    ids_of(role_rule_association.c.rule_id, role_rule_association.c.role_id == _roles.c.id).label("rules"),
    newest_of(permission.c.user_id, permission.c.role_id == _roles.c.id, _roles).label("users"),
)
rule_relations = (newest_of(userpermission.c.user_id, userpermission.c.rule_id == _rules.c.id, _rules).label("users"),)
