"""Bodies of requests about one's own password."""

from dataquality.auth.fields import BoundedText
from dataquality.core.fields import Body


class PasswordChange(Body):
    """The password so far, and the one to come."""

    current_password: BoundedText
    new_password: BoundedText
