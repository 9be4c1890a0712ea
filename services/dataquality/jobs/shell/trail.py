"""The audit trail of the shell."""

import base64
from collections.abc import Iterable
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from dataquality.core.audit import operator_entry
from dataquality.jobs.shell.changes import Change
from dataquality.jobs.shell.organization import Organization
from dataquality.jobs.shell.task import ResultContent


def record(session: Session, changes: Iterable[Change]) -> None:
    """A line for each change; names of what was changed, never its values."""
    for change in changes:
        kind = type(change.record).__name__.lower()
        if isinstance(change.record, ResultContent):
            if change.kind != "changed":
                continue
            kind = "result"
        session.execute(operator_entry(f"{kind}_{change.kind}", kind, change.record.id, _detail(change)))
        if isinstance(change.record, Organization) and change.touches({"public_key"}):
            _record_key(session, change.record)


def _detail(change: Change) -> dict[str, Any]:
    links = {name: {"added": put_in, "removed": taken_out} for name, (put_in, taken_out) in change.links.items()}
    changed = {"changed": sorted(change.columns)} if change.kind == "changed" else {"what": repr(change.record)}
    return {"through": "shell", **changed, **links}


def _record_key(session: Session, organization: Organization) -> None:
    """The old key stays known, as when a node replaces it."""
    old = next(iter(inspect(organization).attrs["_public_key"].history.deleted or ()), None)
    detail = {"through": "shell", "old": base64.b64encode(old or b"").decode()}
    session.execute(operator_entry("public key changed", "organization", organization.id, detail))
