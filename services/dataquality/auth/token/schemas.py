"""Bodies of the requests for tokens."""

from dataquality.auth.fields import Body, BodyId, Text


class UserLogin(Body):
    """A user signs in."""

    username: Text
    password: Text


class NodeLogin(Body):
    """A node signs in."""

    api_key: Text


class ContainerRequest(Body):
    """A node asks on behalf of an algorithm that it is about to start."""

    task_id: BodyId
    image: Text
