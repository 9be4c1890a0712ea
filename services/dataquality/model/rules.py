"""The rules and the built-in roles, as data. The order of the rules is the order of their ids."""

from dataclasses import dataclass

from dataquality.model.enums import Operation, Scope

VIEW, EDIT, CREATE, DELETE = Operation.VIEW, Operation.EDIT, Operation.CREATE, Operation.DELETE
OWN, ORG, COL, GLO = Scope.OWN, Scope.ORGANIZATION, Scope.COLLABORATION, Scope.GLOBAL

_VERBS = {VIEW: "View", EDIT: "Edit", CREATE: "Create", DELETE: "Delete"}
_WHERE = {
    OWN: "yourself",
    ORG: "of your own organization",
    COL: "of your organization's collaborations",
    GLO: "of everyone",
}
_NOUNS = {
    "node": "nodes",
    "collaboration": "collaborations",
    "organization": "organizations",
    "task": "tasks",
    "result": "results",
    "user": "users",
    "role": "roles",
    "port": "ports",
    "event": "events",
}


@dataclass(frozen=True)
class RuleSpec:
    """A rule by its natural key."""

    name: str
    operation: Operation
    scope: Scope

    @property
    def description(self) -> str:
        """One line for people, e.g. "View tasks of your own organization"."""
        if self.scope is OWN:
            return f"{_VERBS[self.operation]} {_WHERE[OWN]}"
        return f"{_VERBS[self.operation]} {_NOUNS[self.name]} {_WHERE[self.scope]}"


@dataclass(frozen=True)
class RoleSpec:
    """A built-in role. `grows`: rules that a newer version brings are added to it where it exists already."""

    name: str
    description: str
    rules: tuple[RuleSpec, ...]
    grows: bool = False


def _rules(name: str, *operations: tuple[Operation, tuple[Scope, ...]]) -> tuple[RuleSpec, ...]:
    return tuple(RuleSpec(name, operation, scope) for operation, scopes in operations for scope in scopes)


def _org(name: str, *operations: Operation) -> tuple[RuleSpec, ...]:
    return tuple(RuleSpec(name, operation, ORG) for operation in operations)


def _glo(name: str, *operations: Operation) -> tuple[RuleSpec, ...]:
    return tuple(RuleSpec(name, operation, GLO) for operation in operations)


_BOTH = (GLO, ORG)

RULES: tuple[RuleSpec, ...] = (
    *_rules("node", (VIEW, _BOTH), (EDIT, _BOTH), (CREATE, _BOTH), (DELETE, _BOTH)),
    *_rules("collaboration", (VIEW, _BOTH), (EDIT, (GLO,)), (CREATE, (GLO,)), (DELETE, (GLO,))),
    *_rules("organization", (VIEW, (GLO, ORG, COL)), (EDIT, _BOTH), (CREATE, (GLO,))),
    *_rules("task", (VIEW, _BOTH), (CREATE, _BOTH), (DELETE, _BOTH)),
    *_rules("result", (VIEW, _BOTH)),
    *_rules("user", (VIEW, _BOTH), (CREATE, _BOTH), (EDIT, (GLO, ORG, OWN)), (DELETE, (GLO, ORG, OWN))),
    *_rules("role", (VIEW, _BOTH), (CREATE, _BOTH), (EDIT, _BOTH), (DELETE, _BOTH)),
    *_rules("port", (VIEW, _BOTH)),
    *_rules("event", (VIEW, (ORG, COL, GLO)), (CREATE, (ORG, COL, GLO))),
)

_CONTAINER = (
    *_org("node", VIEW),
    *_org("collaboration", VIEW),
    *_org("organization", VIEW),
    RuleSpec("organization", VIEW, COL),
    *_org("task", VIEW),
    *_org("result", VIEW),
    *_org("port", VIEW),
)
_NODE = (*_CONTAINER, *_org("node", EDIT), *_org("organization", EDIT))
_VIEWER = (
    *_CONTAINER,
    RuleSpec("user", EDIT, OWN),
    RuleSpec("user", DELETE, OWN),
    *_org("user", VIEW),
    *_org("role", VIEW),
    *_org("event", VIEW),
)
_RESEARCHER = (*_VIEWER, *_org("task", CREATE, DELETE))
_ORGANIZATION_ADMIN = (
    *_RESEARCHER,
    *_org("user", CREATE, EDIT, DELETE),
    *_org("organization", EDIT),
    *_org("role", CREATE, EDIT, DELETE),
    *_org("node", EDIT, CREATE),
    *_org("event", CREATE),
)
_COLLABORATION_ADMIN = (
    *_ORGANIZATION_ADMIN,
    *_glo("user", VIEW, CREATE, EDIT),
    *_glo("organization", VIEW, EDIT),
    *_glo("collaboration", VIEW, EDIT),
    *_glo("role", VIEW),
    *_glo("node", CREATE, VIEW, DELETE),
    RuleSpec("event", VIEW, COL),
    RuleSpec("event", CREATE, COL),
)

ROOT_ROLE, NODE_ROLE, CONTAINER_ROLE = "Root", "node", "container"

ROLES: tuple[RoleSpec, ...] = (
    RoleSpec(NODE_ROLE, "What a node may do", _NODE, grows=True),
    RoleSpec(CONTAINER_ROLE, "What an algorithm on a node may do", _CONTAINER, grows=True),
    RoleSpec(ROOT_ROLE, "May do everything", RULES, grows=True),
    RoleSpec("Viewer", "Sees what concerns the own organization", _VIEWER),
    RoleSpec("Researcher", "Views, and asks tasks", _RESEARCHER),
    RoleSpec("Organization Admin", "Manages the own organization", _ORGANIZATION_ADMIN),
    RoleSpec("Collaboration Admin", "Manages collaborations and their nodes", _COLLABORATION_ADMIN),
)

BUILT_IN_ROLES = frozenset(role.name for role in ROLES)
"""Names that no other role may take."""
