"""The installation that an instance runs from: this one, or a copy where its account cannot reach this one."""

from vserver.stack.driver import Progress
from vserver.stack.local.programs import Runtime, installed_runtime
from vserver.stack.local.service_account import Account


def runtime_for(account: Account | None, progress: Progress) -> Runtime:
    """The programs for an account, laid out where it can reach them."""
    return installed_runtime()
