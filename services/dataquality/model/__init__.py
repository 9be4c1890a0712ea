"""The shared schema: every service reads it, each writes its own tables."""

from dataquality.model.audit import AuditEntry
from dataquality.model.base import Base, Entity, UtcDateTime, utc_now
from dataquality.model.collaboration import Collaboration, member
from dataquality.model.enums import OnlineStatus, Operation, ResultStatus, Scope
from dataquality.model.idempotency import KeptAnswer
from dataquality.model.identity import Authenticatable, Node, NodeConfig, User, new_stamp
from dataquality.model.liveness import KillWish, SocketLease
from dataquality.model.mail import Mail
from dataquality.model.organization import Organization
from dataquality.model.outbox import OutboxEvent
from dataquality.model.permission import Role, Rule, permission, role_rule_association, userpermission
from dataquality.model.redelivery import Redelivery
from dataquality.model.run_id import next_run_id, next_run_id_statement
from dataquality.model.session import ROOT_PASSWORD_IS_DEFAULT, RefreshSession, ServerState, UsedToken
from dataquality.model.task import AlgorithmPort, Result, ResultContent, Task

__all__ = [
    "ROOT_PASSWORD_IS_DEFAULT",
    "AlgorithmPort",
    "AuditEntry",
    "Authenticatable",
    "Base",
    "Collaboration",
    "Entity",
    "KeptAnswer",
    "KillWish",
    "Mail",
    "Node",
    "NodeConfig",
    "OnlineStatus",
    "Operation",
    "Organization",
    "OutboxEvent",
    "Redelivery",
    "RefreshSession",
    "Result",
    "ResultContent",
    "ResultStatus",
    "Role",
    "Rule",
    "Scope",
    "ServerState",
    "SocketLease",
    "Task",
    "UsedToken",
    "User",
    "UtcDateTime",
    "member",
    "new_stamp",
    "next_run_id",
    "next_run_id_statement",
    "permission",
    "role_rule_association",
    "userpermission",
    "utc_now",
]
