"""What a password must be. Each rule has a text of its own."""

from dataquality.core.errors import BadRequest

SHORTEST, LONGEST = 8, 128


def require_good(password: str, field: str) -> None:
    """Raise BadRequest, naming the field, for a password that is against the rules."""
    if problem := _problem(password):
        raise BadRequest(f"The password must {problem}.", {field: f"must {problem}"})


def _problem(password: str) -> str | None:
    if len(password) < SHORTEST:
        return f"have at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"have at most {LONGEST} characters"
    if not any(character.isdigit() for character in password):
        return "hold a digit"
    if not any(character.isupper() for character in password):
        return "hold an upper-case letter"
    if not any(character.islower() for character in password):
        return "hold a lower-case letter"
    if all(character.isalnum() for character in password):
        return "hold a character that is neither a letter nor a digit"
    return None
