"""What a flush wrote, object by object."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from sqlalchemy.orm import PassiveFlag, Session, attributes

from dataquality.jobs.shell.identity import User
from dataquality.jobs.shell.organization import Collaboration
from dataquality.jobs.shell.permission import Role
from dataquality.jobs.shell.record import Record
from dataquality.jobs.shell.task import Result, ResultContent

Kind = Literal["created", "changed", "deleted"]
_LINKS: dict[type[Record], tuple[str, ...]] = {
    User: ("roles", "rules"),
    Role: ("rules",),
    Collaboration: ("organizations",),
}
"""Relations between two lists are told of one side; assigning the other changes this one as well."""
_SHOWN = {"_password": "password", "_api_key_id": "api_key", "_api_key_hash": "api_key", "_public_key": "public_key"}
_WITHOUT_LOADING = PassiveFlag.PASSIVE_NO_INITIALIZE | PassiveFlag.INCLUDE_PENDING_MUTATIONS


@dataclass(frozen=True)
class Change:
    """One object that was written. `links`: ids that were put into a relation, and ids that were taken out."""

    record: Record
    kind: Kind
    columns: frozenset[str]
    links: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict[str, tuple[list[int], list[int]]])

    def touches(self, names: Iterable[str]) -> bool:
        """True if one of these was changed."""
        return not (self.columns | self.links.keys()).isdisjoint(names)

    @property
    def result_id(self) -> int | None:
        """The result that this is about, if it is about one."""
        return self.record.id if isinstance(self.record, Result | ResultContent) else None


def changes_in(session: Session) -> list[Change]:
    """All changes of a flush that was just made, while the session still knows what was before."""
    return [
        *_changes("created", session.new),
        *_changes("changed", session.dirty),
        *_changes("deleted", session.deleted),
    ]


def _changes(kind: Kind, records: Iterable[Any]) -> Iterator[Change]:
    for record in cast(Iterable[Record], records):
        columns = frozenset(
            _SHOWN.get(column.key, column.key)
            for column in record.__mapper__.column_attrs
            if _history(record, column.key).has_changes()
        )
        links = {name: ids for name in _LINKS.get(type(record), ()) if any(ids := _moved(record, name))}
        if columns or links or kind == "deleted":
            yield Change(record, kind, columns, links)


def _moved(record: Record, name: str) -> tuple[list[int], list[int]]:
    history = _history(record, name)
    put_in, taken_out = (sorted(one.id for one in side or ()) for side in (history.added, history.deleted))
    return put_in, taken_out


def _history(record: Record, name: str) -> Any:
    return attributes.get_history(record, name, passive=_WITHOUT_LOADING)
