"""The life of a result, as data: pending, at work, ended; never back.

A result has ended once it has a `finished_at`; then nothing changes any more. Nodes may tell the kind of a failure
before they send the log and the end: such a result is failed already but still takes those.
"""

from collections.abc import Mapping
from typing import Final

from dataquality.model import ResultStatus

_FAILED = frozenset(status for status in ResultStatus if status.is_failed)
_FINAL = _FAILED | {ResultStatus.COMPLETED}

TRANSITIONS: Final[Mapping[ResultStatus, frozenset[ResultStatus]]] = {
    ResultStatus.PENDING: frozenset(ResultStatus),
    ResultStatus.INITIALIZING: frozenset({ResultStatus.INITIALIZING, ResultStatus.ACTIVE}) | _FINAL,
    ResultStatus.ACTIVE: frozenset({ResultStatus.ACTIVE}) | _FINAL,
    ResultStatus.COMPLETED: frozenset({ResultStatus.COMPLETED}),
    **dict.fromkeys(_FAILED, _FAILED),
}
"""From each status of a result that has not ended, the statuses that a node may send."""

_STARTED: Final[Mapping[ResultStatus, ResultStatus]] = {
    ResultStatus.PENDING: ResultStatus.ACTIVE,
    ResultStatus.INITIALIZING: ResultStatus.ACTIVE,
}
_FINISHED: Final[Mapping[ResultStatus, ResultStatus]] = {
    status: ResultStatus.COMPLETED for status in ResultStatus if status.is_open
}


def steps(wanted: ResultStatus | None, *, starts: bool, finishes: bool) -> dict[ResultStatus, ResultStatus]:
    """From each status in which a result may take a change, the status that the change leads to.

    Older nodes send no status (`wanted` is None): then it follows from the times that they do send.
    """
    if wanted is not None:
        return {status: wanted for status, allowed in TRANSITIONS.items() if wanted in allowed}
    derived = _FINISHED if finishes else _STARTED if starts else {}
    return {status: derived.get(status, status) for status in ResultStatus}
