"""What every table stands on: naming of constraints, times, JSON and keys."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, Integer, MetaData, Text, TypeDecorator
from sqlalchemy import Enum as EnumType
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored and returned in UTC on every database.

    Raises ValueError for a naive datetime: nobody can know what time it means.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError(f"{value!r} has no time zone; give an aware datetime, e.g. datetime.now(UTC)")
        try:
            utc = value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{value!r} lies outside the years 1 to 9999 in UTC") from error
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _values(members: type[Enum]) -> list[str]:
    return [str(member.value) for member in members]


def short_values(enum: type[Enum], name: str, length: int) -> EnumType:
    """A text column that holds the values of `enum`, held by a CHECK constraint on every database."""
    return EnumType(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=length,
        values_callable=_values,
    )


class Base(DeclarativeBase):
    """The declarative base; its metadata is the whole schema."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    # dict[str, Any] and Any: a JSON document; None is NULL and not the document `null`.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
    }


class Entity(Base):
    """A table with a key of its own. A key is never given out twice, not even after a delete.

    SQLite would otherwise give the id of the last deleted user, and with it that user's tokens, to the next.
    """

    __abstract__ = True
    __table_args__: Any = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-1)


__all__ = ["NAMING_CONVENTION", "Base", "Entity", "UtcDateTime", "short_values", "utc_now"]
