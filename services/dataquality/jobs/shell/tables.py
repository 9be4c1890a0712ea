"""The tables of the schema once more, for the shell's own classes.

The services' classes have no lazy relations and no methods, on purpose; the shell needs both. The copies keep types,
defaults and constraints, and two sets of classes on the same table objects would be in each other's way.
"""

from sqlalchemy import MetaData, Table

from dataquality.model import Base

metadata = MetaData()
for _table in Base.metadata.sorted_tables:
    _table.to_metadata(metadata)


def table(name: str) -> Table:
    """The copy of a table of the schema."""
    return metadata.tables[name]
