"""What the routes of this service are, for the API's description."""

from typing import Annotated, Literal

from pydantic import Field

from dataquality.core.openapi.described import Described, Listed, Table, To
from dataquality.core.shapes import Id, Link, Links, Message, Moment, Shape
from dataquality.model import ResultStatus


class ResultPort(Shape):
    """A port that an algorithm has open, inside its result."""

    id: Id
    port: Annotated[int, Field(ge=1, le=65535)]
    label: str | None


class Port(ResultPort):
    """A port that an algorithm has open."""

    result: Id


class MiniNode(Shape):
    """A node, inside a result."""

    id: Id
    name: str | None
    ip: str | None
    status: Literal["online", "offline"] | None
    config: list[Id]


class NoNode(Shape):
    """Where the organization has no node any more."""


class _AnyResult(Shape):
    id: Id
    status: ResultStatus
    input: str | None
    result: str | None
    log: str | None
    assigned_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    node: MiniNode | NoNode
    ports: list[ResultPort]


class ResultInTask(_AnyResult):
    """The work of one organization, inside its task."""

    organization: Id


class PlainResult(ResultInTask):
    """The work of one organization on a task, with plain ids."""

    task: Id


class _AnyTask(Shape):
    id: Id
    name: str | None
    description: str | None
    image: Annotated[str, Field(examples=["registry.example/average:1"])]
    database: str | None
    run_id: Annotated[int, Field(ge=1)]
    initiator: Id | None
    init_user: Id | None
    collaboration: Link | None
    parent: Link | None
    children: Links
    status: Annotated[str, Field(examples=["completed"])]
    complete: bool
    created_at: Moment | None
    finished_at: Moment | None
    deadline: Moment | None


class BareTask(_AnyTask):
    """A task, inside a result."""


class Task(_AnyTask):
    """A question to organizations."""

    results: Links


class TaskWithResults(_AnyTask):
    """A task with its results whole."""

    results: list[ResultInTask]


class Result(_AnyResult):
    """The work of one organization on a task."""

    organization: Link | None
    task: Link | None


class ResultWithTask(_AnyResult):
    """The same, with the task whole."""

    organization: Link | None
    task: BareTask


class Killed(Message):
    """What was ended, and the ids of the nodes that are to end their containers."""

    nodes_told: list[Id]
    nodes_away: list[Id]
    nodes_that_cannot_kill: list[Id]


_OWN = "{} {} at scope GLOBAL, or ORGANIZATION in collaborations that the own organization is a member of"
_KILL = "create event at scope GLOBAL, COLLABORATION in collaborations of the own organization, or ORGANIZATION for {}"
_RESULTS = {"include": "`results`: with the results whole. `metadata`: in an envelope with `data` and `links`."}
_RESULTS_OF_ONE = {"include": "`results`: with the results whole."}
_TASK = {"include": "`task`: with the task whole. `metadata`: in an envelope with `data` and `links`."}
_TASK_OF_ONE = {"include": "`task`: with the task whole."}
_FIRST_RESULT = (
    To("get_result", {"path.result_id": "$response.body#/0/id"}),
    To("patch_result", {"path.result_id": "$response.body#/0/id"}),
    To("open_port", body={"result_id": "$response.body#/0/id"}),
    To("close_ports", {"query.result_id": "$response.body#/0/id"}),
)

OPERATIONS: Table = {
    "GET /task": Described(
        "List tasks", Listed(Task | TaskWithResults), _OWN.format("view", "task"), parameters=_RESULTS
    ),
    "POST /task": Described(
        "Create a task",
        Task,
        "create task at scope GLOBAL, or ORGANIZATION; the own organization must be a member of the collaboration. "
        "Algorithms: the image, the collaboration and the task of their token",
        201,
        example={
            "name": "average",
            "image": "registry.example/average:1",
            "collaboration_id": 7,
            "database": "default",
            "organizations": [{"id": 1, "input": "{}"}],
        },
        refusals=(
            "An organization is no member of the collaboration.",
            "An organization has no node in the collaboration.",
            "The collaboration is encrypted, and an organization has no public key.",
            "A node takes no tasks of this user.",
            "The deadline has passed.",
            "The server checks whether inputs are encrypted, and one is not.",
        ),
        missing="The collaboration is not there.",
        links=(
            To("kill_task", body={"id": "$response.body#/id"}),
            To("container", body={"task_id": "$response.body#/id", "image": "$response.body#/image"}),
        ),
    ),
    "GET /task/{task_id}": Described(
        "Show a task", Task | TaskWithResults, _OWN.format("view", "task"), parameters=_RESULTS_OF_ONE
    ),
    "DELETE /task/{task_id}": Described("Delete a task", Message, _OWN.format("delete", "task")),
    "GET /task/{task_id}/result": Described(
        "List the results of a task", Listed(PlainResult), _OWN.format("view", "result"), links=_FIRST_RESULT
    ),
    "GET /collaboration/{collaboration_id}/task": Described(
        "List the tasks of a collaboration",
        Listed(Task | TaskWithResults),
        _OWN.format("view", "task"),
        parameters=_RESULTS,
    ),
    "GET /result": Described(
        "List results",
        Listed(Result | ResultWithTask),
        _OWN.format("view", "result"),
        parameters=_TASK,
        links=_FIRST_RESULT,
    ),
    "GET /result/{result_id}": Described(
        "Show a result", Result | ResultWithTask, _OWN.format("view", "result"), parameters=_TASK_OF_ONE
    ),
    "PATCH /result/{result_id}": Described(
        "Answer a task",
        Result,
        "none: the node that is to answer",
        example={
            "status": "completed",
            "started_at": "2026-11-23T10:00:00.000000",
            "finished_at": "2026-11-23T10:05:00.000000",
            "result": "6.7",
            "log": "done",
        },
        refusals=(
            "The result has ended already, in another way.",
            "A later sign-in of the node has answered for it.",
            "What it is does not lead to what it is to become.",
            "The server checks whether results are encrypted, and this one is not.",
        ),
    ),
    "POST /kill/task": Described(
        "End a task",
        Killed,
        _KILL.format("tasks there, too"),
        example={"id": 7},
        refusals=("The task is finished already.",),
        missing="The task is not there.",
    ),
    "POST /kill/node/tasks": Described(
        "End all tasks of a node",
        Killed,
        _KILL.format("own nodes"),
        example={"id": 7},
        missing="The node is not there.",
    ),
    "GET /port": Described("List ports", Listed(Port), _OWN.format("view", "port")),
    "POST /port": Described(
        "Tell of an open port",
        Port,
        "none: the node that runs the result",
        201,
        example={"port": 8888, "result_id": 7, "label": "model"},
        missing="The result is not there.",
    ),
    "DELETE /port": Described(
        "Tell that the ports of a result are closed",
        Message,
        "none: the node of the result",
        parameters={"result_id": "Whose ports are closed."},
    ),
    "GET /port/{port_id}": Described("Show a port", Port, _OWN.format("view", "port")),
}
