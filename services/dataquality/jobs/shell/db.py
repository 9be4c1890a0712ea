"""What `db` is in the shell."""

import sys

from dataquality.jobs.shell import effects
from dataquality.jobs.shell.identity import Authenticatable, Node, NodeConfig, User
from dataquality.jobs.shell.organization import Collaboration, Organization
from dataquality.jobs.shell.permission import Role, Rule
from dataquality.jobs.shell.task import AlgorithmPort, Result, Task
from dataquality.model import OnlineStatus, Operation, ResultStatus, Scope

__all__ = [
    "AlgorithmPort",
    "Authenticatable",
    "Collaboration",
    "Node",
    "NodeConfig",
    "OnlineStatus",
    "Operation",
    "Organization",
    "Result",
    "ResultStatus",
    "Role",
    "Rule",
    "Scope",
    "Task",
    "User",
    "help",
]

effects.install()


def help() -> None:
    """Print what there is in `db`."""
    models = (Organization, Collaboration, User, Role, Rule, Node, NodeConfig, Task, Result, AlgorithmPort)
    for model in models:
        said = next(iter((model.__doc__ or "").splitlines()), "")
        sys.stdout.write(f"db.{model.__name__:14} {said}\n")
    sys.stdout.write("db.Organization.help(), and so on, tells more. Call .save() once an object is as it should be.\n")
