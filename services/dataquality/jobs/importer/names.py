"""How things are called in a plan, and what nodes are called in the database."""

from dataquality.jobs.importer.document import CollaborationEntry, Participant, RoleKey


def role_name(key: RoleKey) -> str:
    """`super of IKNL`; a role that is there for all has no organization."""
    organization, name = key
    return name if organization is None else f"{name} of {organization}"


def node_name(participant: Participant, entry: CollaborationEntry) -> str:
    """`IKNL in ZEPPELIN`."""
    return f"{participant.name.value} in {entry.name.value}"


def default_node_name(organization: str, collaboration: str) -> str:
    """The name in the database of a node that the file does not name."""
    return f"{organization} - {collaboration} Node"
