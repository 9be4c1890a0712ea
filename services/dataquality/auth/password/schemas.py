"""Bodies of requests about one's own password."""

from dataquality.auth.fields import Body, Text


class PasswordChange(Body):
    """The password so far, and the one to come."""

    current_password: Text
    new_password: Text
