"""What requests to kill may hold."""

from dataquality.core.fields import Body, BodyId


class KillBody(Body):
    """The task, or the node, whose work is to end."""

    id: BodyId
