"""What the shell says when something cannot be done: one line each."""

from sqlalchemy.exc import NoResultFound


class ShellError(Exception):
    """Something cannot be done as asked; nothing of it was stored. One line that says what and why."""


class NotThere(ShellError, NoResultFound):
    """There is no such record."""
