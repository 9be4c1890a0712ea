"""What happens to an environment's values between the file and the schema: references are followed, gaps found."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from vserver.config.references import BrokenReferenceError, has_reference, resolved
from vserver.config.source import UNUSABLE, Flaw, KeyPath

PLACEHOLDER = "..."
_FILL = "Write a value, or remove the line"


class Preparation:
    """Prepares one environment. Without variables, references are not followed and their values left out."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None) -> None:
        self.folder = folder
        self.variables = variables
        self.flaws: list[Flaw] = []
        self.referenced: set[KeyPath] = set()

    def prepare(self, value: object, at: KeyPath) -> object:
        if isinstance(value, dict):
            group = cast(dict[str, object], value)
            return {key: self.prepare(child, (*at, key)) for key, child in group.items()}
        if isinstance(value, list):
            entries = cast(list[object], value)
            return [self.prepare(child, (*at, index)) for index, child in enumerate(entries)]
        if value is None:
            return self.flaw(at, "found nothing", _FILL)
        if value == PLACEHOLDER:
            return self.flaw(at, f"found only the placeholder '{PLACEHOLDER}'", _FILL)
        return self.follow(value, at) if isinstance(value, str) and has_reference(value) else value

    def follow(self, text: str, at: KeyPath) -> object:
        self.referenced.add(at)
        if self.variables is None:
            return UNUSABLE
        try:
            return resolved(text, self.folder, self.variables)
        except BrokenReferenceError as error:
            return self.flaw(at, error.message, error.hint)

    def flaw(self, at: KeyPath, message: str, hint: str) -> object:
        self.flaws.append(Flaw(at, message, hint))
        return UNUSABLE
