"""What the routes of this service are, for the API's description."""

from typing import Annotated, Literal

from pydantic import Field

from dataquality.core.openapi.described import Described, Listed, Table, To
from dataquality.core.shapes import Id, Link, Links, Message, Moment, Shape

_Key = Annotated[str, Field(examples=["3b0cf8a6-4b4b-4d4f-8f0e-6d1f2a3b4c5d"])]


class Organization(Shape):
    """A party of collaborations."""

    id: Id
    name: Annotated[str | None, Field(examples=["Hospital North"])]
    domain: Annotated[str | None, Field(examples=["north.example"])]
    address1: str | None
    address2: str | None
    zipcode: str | None
    country: str | None
    public_key: Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"}, examples=[""])]
    collaborations: Links
    nodes: Links
    users: Links
    results: Links
    roles: list[Id]


class Collaboration(Shape):
    """Organizations that compute together."""

    id: Id
    name: Annotated[str, Field(examples=["Heart study"])]
    encrypted: bool
    organizations: Links
    nodes: Links
    tasks: Links


class NodeSetting(Shape):
    """What a node told about itself."""

    key: str
    value: str


class SimpleNode(Shape):
    """A node inside its collaboration."""

    id: Id
    name: Annotated[str | None, Field(examples=["Hospital North - Heart study Node"])]
    ip: str | None
    status: Literal["online", "offline"] | None
    last_seen: Moment | None
    organization: Link | None
    config: list[NodeSetting]


class Node(SimpleNode):
    """Where an organization computes for a collaboration."""

    type: Literal["node"]
    collaboration: Link | None


class NewNodeWithKey(Node):
    """A new node, with the key that is shown here and never again."""

    api_key: _Key


class ApiKey(Shape):
    """A new key, shown here and never again."""

    api_key: _Key


_MEMBER = "view collaboration at scope GLOBAL, or ORGANIZATION for those that the own organization is a member of"
_EDIT = "edit collaboration at scope GLOBAL"
_NODE = "{} node at scope GLOBAL, or ORGANIZATION for nodes of the own organization"
_SEE = (
    "view organization at scope GLOBAL, COLLABORATION for partners in collaborations, or ORGANIZATION for the own one"
)
_NAME_TAKEN = "Another collaboration has this name."
_PAIR_TAKEN = "The organization has a node in this collaboration already."
_NO_MEMBER = "The organization is no member of the collaboration."
_NO_ORGANIZATION = "The organization in the body is not there."
_NO_NODE = "The node in the body is not there."
_BARE = {"include": "Says nothing here: the answer is a bare list always."}
_ASK_FIRST = {
    "collaboration_id": "$response.body#/0/collaboration/id",
    "organizations": [{"id": "$response.body#/0/organization/id"}],
}
_ASK_IT = {
    "collaboration_id": "$response.body#/collaboration/id",
    "organizations": [{"id": "$response.body#/organization/id"}],
}
_ASK_A_MEMBER = {
    "collaboration_id": "$response.body#/id",
    "organizations": [{"id": "$response.body#/organizations/0/id"}],
}
_ASK_A_MEMBER_OF_THE_FIRST = {
    "collaboration_id": "$response.body#/0/id",
    "organizations": [{"id": "$response.body#/0/organizations/0/id"}],
}
_ORGANIZATION = {"name": "Hospital North", "domain": "north.example", "country": "NL"}

OPERATIONS: Table = {
    "GET /organization": Described(
        "List organizations",
        Listed(Organization),
        _SEE,
        parameters={"collaboration_id": "Only the members of this collaboration."},
    ),
    "POST /organization": Described(
        "Create an organization",
        Organization,
        "create organization at scope GLOBAL",
        201,
        example=_ORGANIZATION,
        links=(To("create_collaboration", body={"organization_ids": ["$response.body#/id"]}),),
    ),
    "GET /organization/{identity}": Described("Show an organization", Organization, _SEE),
    "PATCH /organization/{identity}": Described(
        "Change an organization",
        Organization,
        "edit organization at scope GLOBAL, or ORGANIZATION for the own one; a node only its public key",
        example={"public_key": "cHVibGljIGtleQ=="},
    ),
    "GET /organization/{identity}/collaboration": Described(
        "List the collaborations of an organization",
        list[Collaboration],
        "view collaboration at scope GLOBAL, or ORGANIZATION for the own organization",
        parameters=_BARE,
    ),
    "GET /organization/{identity}/node": Described(
        "List the nodes of an organization",
        list[Node],
        "view node at scope GLOBAL, or ORGANIZATION for the own organization",
        parameters=_BARE,
    ),
    "GET /collaboration": Described(
        "List collaborations",
        Listed(Collaboration),
        _MEMBER,
        parameters={"organization_id": "Only those that this organization is a member of."},
        links=(To("create_task", body=_ASK_A_MEMBER_OF_THE_FIRST),),
    ),
    "POST /collaboration": Described(
        "Create a collaboration",
        Collaboration,
        "create collaboration at scope GLOBAL",
        example={"name": "Heart study", "organization_ids": [1], "encrypted": False},
        refusals=(_NAME_TAKEN,),
        links=(
            To(
                "create_node",
                body={
                    "collaboration_id": "$response.body#/id",
                    "organization_id": "$response.body#/organizations/0/id",
                },
            ),
        ),
    ),
    "GET /collaboration/{identity}": Described(
        "Show a collaboration", Collaboration, _MEMBER, links=(To("create_task", body=_ASK_A_MEMBER),)
    ),
    "PATCH /collaboration/{identity}": Described(
        "Change a collaboration",
        Collaboration,
        _EDIT,
        example={"name": "Heart study 2"},
        refusals=(_NAME_TAKEN,),
    ),
    "DELETE /collaboration/{identity}": Described(
        "Delete a collaboration", Message, "delete collaboration at scope GLOBAL"
    ),
    "GET /collaboration/{identity}/organization": Described(
        "List the organizations of a collaboration", Listed(Organization), _MEMBER
    ),
    "POST /collaboration/{identity}/organization": Described(
        "Add an organization to a collaboration",
        Listed(Organization),
        _EDIT,
        example={"id": 7},
        missing=_NO_ORGANIZATION,
    ),
    "DELETE /collaboration/{identity}/organization": Described(
        "Take an organization out of a collaboration",
        Listed(Organization),
        "delete collaboration at scope GLOBAL",
        example={"id": 7},
        missing=_NO_ORGANIZATION,
    ),
    "GET /collaboration/{identity}/node": Described("List the nodes of a collaboration", Listed(SimpleNode), _MEMBER),
    "POST /collaboration/{identity}/node": Described(
        "Move a node to a collaboration",
        Listed(SimpleNode),
        _EDIT,
        201,
        example={"id": 7},
        refusals=("The node is in this collaboration already.", _PAIR_TAKEN, _NO_MEMBER),
        missing=_NO_NODE,
    ),
    "DELETE /collaboration/{identity}/node": Described(
        "Delete a node of a collaboration",
        Message,
        _EDIT,
        example={"id": 7},
        refusals=("The node is not in this collaboration.",),
        missing=_NO_NODE,
    ),
    "GET /node": Described(
        "List nodes",
        Listed(Node),
        _NODE.format("view"),
        parameters={"status": "`online` or `offline`."},
        links=(To("create_task", body=_ASK_FIRST),),
    ),
    "POST /node": Described(
        "Create a node",
        NewNodeWithKey,
        _NODE.format("create"),
        201,
        example={"collaboration_id": 7, "organization_id": 1, "name": "North"},
        refusals=(_PAIR_TAKEN, _NO_MEMBER),
        missing="The collaboration or the organization is not there.",
        links=(
            To("replace_key", body={"id": "$response.body#/id"}),
            To("kill_tasks_of_node", body={"id": "$response.body#/id"}),
        ),
    ),
    "GET /node/{identity}": Described(
        "Show a node",
        Node,
        _NODE.format("view") + "; an algorithm only its own",
        links=(To("create_task", body=_ASK_IT),),
    ),
    "PATCH /node/{identity}": Described(
        "Change a node",
        Node,
        _NODE.format("edit"),
        example={"name": "North 2"},
        refusals=(_PAIR_TAKEN, _NO_MEMBER),
        missing="The collaboration or the organization in the body is not there.",
    ),
    "DELETE /node/{identity}": Described("Delete a node", Message, _NODE.format("delete")),
    "POST /recover/node": Described(
        "Give a node a new API key", ApiKey, _NODE.format("edit"), example={"id": 7}, missing=_NO_NODE
    ),
}
