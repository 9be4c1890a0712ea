"""What all classes of the shell have in common."""

import difflib
import inspect
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar, Self, cast, overload

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import Enum as EnumType
from sqlalchemy import inspect as state_of
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, with_parent

from dataquality.jobs.shell.connection import current
from dataquality.jobs.shell.errors import ShellError
from dataquality.jobs.shell.tables import metadata
from dataquality.model import UtcDateTime


class Record(DeclarativeBase):
    """A row as an object: attributes are columns and relations; `save()` stores it, `delete()` removes it."""

    metadata = metadata
    _shown: ClassVar[tuple[str, ...]] = ()
    """The attributes that stand in the representation."""
    _dependents: ClassVar[tuple[str, ...]] = ()
    """Relations that must be empty before this may be deleted."""

    id: Mapped[int]

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            self._require_known(name)
            value = _converted(self, name, value)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        kind = type(self).__name__
        try:
            values = ", ".join(_labelled(name, getattr(self, name)) for name in self._shown)
            return f"<{kind} {self.id}: {values}>"
        except SQLAlchemyError:
            return f"<{kind}: no longer there>"

    @overload
    @classmethod
    def get(cls) -> list[Self]: ...
    @overload
    @classmethod
    def get(cls, id_: int) -> Self | None: ...
    @classmethod
    def get(cls, id_: int | None = None) -> list[Self] | Self | None:
        """All of this kind by ascending id; or the one with this id, or None."""
        found = cls._all() if id_ is None else cls._all(cls.id == id_)
        return found if id_ is None else next(iter(found), None)

    def save(self) -> None:
        """Store it, together with whatever else was changed or newly refers to it. Raises ShellError if it cannot."""
        session = current().session
        with session.storing():
            session.add(self)

    def delete(self) -> None:
        """Remove it. Raises ShellError while others depend on it."""
        session = current().session
        if not state_of(self).persistent:
            raise ShellError(f"{type(self).__name__} was not saved yet, or is deleted already.")
        with session.storing():
            session.execute(select(type(self).id).where(type(self).id == self.id).with_for_update())
            self._refuse_dependents()
            session.delete(self)

    @classmethod
    def help(cls) -> None:
        """Print what an object of this kind holds and can do."""
        sys.stdout.write("\n".join(_description(cls)) + "\n")

    @classmethod
    def _all(cls, *conditions: ColumnElement[bool]) -> list[Self]:
        session = current().session
        with session.reading_anew(cls) as options:
            statement = select(cls).where(*conditions).order_by(cls.id)
            return list(session.scalars(statement, execution_options=options))

    @classmethod
    def _first(cls, *conditions: ColumnElement[bool]) -> Self | None:
        return next(iter(cls._all(*conditions)), None)

    def _require_known(self, name: str) -> None:
        if hasattr(type(self), name):
            return
        near = difflib.get_close_matches(name, [known for known in dir(type(self)) if not known.startswith("_")], 1)
        meant = f" Did you mean {near[0]!r}?" if near else f" {type(self).__name__}.help() lists what it has."
        raise AttributeError(f"{type(self).__name__} has no {name!r}.{meant}", name=name, obj=self)

    def _refuse_dependents(self) -> None:
        session = current().session
        counts: list[str] = []
        for name in self._dependents:
            relation = getattr(type(self), name)
            target = relation.property.mapper.class_
            count = session.scalar(select(func.count()).select_from(target).where(with_parent(self, relation)))
            counts += [f"{count} in .{name}"] if count else []
        if counts:
            raise ShellError(f"Nothing was deleted: {self!r} still has {', '.join(counts)}. Delete those first.")


def _converted(record: Record, name: str, value: Any) -> Any:
    """What the column takes: a time with its zone, a word of an enumeration as its member."""
    column = record.__mapper__.columns.get(name)
    if column is None or value is None:
        return value
    if isinstance(column.type, UtcDateTime):
        return _aware(name, value)
    if isinstance(column.type, EnumType) and column.type.enum_class is not None:
        return _member(name, column.type.enum_class, value)
    return value


def _aware(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise ShellError(f"{name} takes a datetime, not {value!r}.")
    # One without a zone is in that of this process, as `datetime.now()` gives it.
    return value.astimezone(UTC)


def _member(name: str, kind: Any, value: Any) -> Enum:
    for member in cast(type[Enum], kind):
        if value is member or value == member.value or str(value).upper() == member.name:
            return member
    words = ", ".join(str(member.value) for member in cast(type[Enum], kind))
    raise ShellError(f"{name} takes one of: {words}; not {value!r}.")


def _labelled(name: str, value: object) -> str:
    return _text(value) if name in ("name", "username") else f"{name}: {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return value.name if not isinstance(value, str) else repr(str(value.value))
    return repr(value)


def _description(kind: type[Record]) -> Iterator[str]:
    mapper = kind.__mapper__
    relations = {one.key: one for one in mapper.relationships if not one.key.startswith("_")}
    columns = [column.key for column in mapper.column_attrs if not column.key.startswith("_")]
    derived = [name for name, _ in inspect.getmembers(kind, lambda member: isinstance(member, property))]
    yield f"{kind.__name__} (table {cast(Any, mapper.local_table).name})"
    yield f"  {next(iter((kind.__doc__ or '').splitlines()), '')}"
    yield f"  Properties: {', '.join([*columns, *(name for name in derived if not name.startswith('_'))])}"
    yield "  Relations:"
    for key, relation in sorted(relations.items()):
        yield f"    {key}: {'list of ' if relation.uselist else ''}{relation.mapper.class_.__name__}"
    yield "  Methods:"
    for name, method in _methods(kind):
        said = next(iter((inspect.getdoc(method) or "").splitlines()), "")
        yield f"    {name}{_arguments(method)}: {said}"


def _methods(kind: type[Record]) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(kind, inspect.isroutine):
        if not name.startswith("_") and member.__module__.startswith(__package__ or ""):
            yield name, member


def _arguments(method: Any) -> str:
    names = [name for name in inspect.signature(method).parameters if name not in ("self", "cls")]
    return f"({', '.join(names)})"
