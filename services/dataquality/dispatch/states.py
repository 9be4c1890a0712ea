"""The life of a result, as data: pending, at work, ended; never back, but for a run that is offered again.

A result has ended once it has a `finished_at`; then nothing changes any more. Nodes may tell the kind of a failure
before they send the log and the end: such a result is failed already but still takes those.
"""

from collections.abc import Mapping
from enum import Enum
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
_NOT_FAILED = frozenset(ResultStatus) - _FAILED
_KEEPING_FAILURES = {status: status for status in _FAILED}


def steps(wanted: ResultStatus | None, *, starts: bool, finishes: bool) -> dict[ResultStatus, ResultStatus]:
    """From each status in which a result may take a change, the status that the change leads to.

    Older nodes send no status (`wanted` is None): then it follows from the times that they do send.
    """
    if wanted is not None:
        return {status: wanted for status, allowed in TRANSITIONS.items() if wanted in allowed}
    derived = _FINISHED if finishes else _STARTED if starts else {}
    return {status: derived.get(status, status) for status in ResultStatus}


class Ending(Enum):
    """Why the server itself ends what is open; each with the status that follows from each, and a line for the log."""

    KILLED = (dict.fromkeys(ResultStatus, ResultStatus.KILLED), None)
    ORPHANED = (
        dict.fromkeys(ResultStatus, ResultStatus.KILLED),
        "Ended by the server: the algorithm that asked for this has ended before.",
    )
    EXPIRED = (
        _KEEPING_FAILURES | dict.fromkeys(_NOT_FAILED, ResultStatus.FAILED),
        "Ended by the server: the deadline of the task has passed.",
    )
    LOST = (
        _KEEPING_FAILURES | dict.fromkeys(_NOT_FAILED, ResultStatus.UNKNOWN_ERROR),
        "Ended by the server: the node that ran this has been gone for too long.",
    )

    @property
    def leads_to(self) -> Mapping[ResultStatus, ResultStatus]:
        """From each status of a result that has not ended, its last one. A failure that was told stays."""
        return self.value[0]

    @property
    def line(self) -> str | None:
        """What is added to the result's log."""
        return self.value[1]


OFFERED_AGAIN: Final = frozenset(status for status in ResultStatus if status.is_open)
"""From these a run that was lost goes back to `pending`: the one way back there is, and only before the end."""
