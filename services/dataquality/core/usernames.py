"""What a username must be: two that look the same must not be two users."""

import unicodedata

_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Fillers and joiners that count as letters or marks, and are blank all the same."""
_NO_CHARACTERS = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
"""Categories: control and format characters (zero width, direction), private ones, and line ends."""


def username_problem(username: str) -> str | None:
    """What is wrong with it, after "The username "; None where nothing is."""
    for place, character in enumerate(username, start=1):
        if _is_invisible(character):
            return f"must not hold {_name(character)}, its character {place}. Remove it"
    if username != username.strip():
        end = "beginning" if username[0].isspace() else "end"
        return f"must not have a blank at its {end}. Remove it"
    return None


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    other_blank = category == "Zs" and character != " "
    return (
        other_blank
        or category in _NO_CHARACTERS
        or "\ufe00" <= character <= "\ufe0f"
        or character in _INVISIBLE_LETTERS
    )


def _name(character: str) -> str:
    code, name = f"U+{ord(character):04X}", unicodedata.name(character, "a control character")
    return f"the invisible character {code} ({name.lower()})"
