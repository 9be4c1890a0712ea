"""Whether the kept secrets of an instance are whole, and the refusal where they are not. Standard library only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataquality.jobs.fingerprints import MAY_BE_CHOSEN, Fingerprint

KNOWN = ".fingerprints.json"
"""Beside the secrets: a copy of what the database knows, for when it cannot be asked. May be deleted."""
REFUSED = 4
"""Exit code of a job that stopped because of the secrets: its last words are the refusal."""

STRANGER = "another secret: not the one that this database was used with"
"""What is said of a secret that looks whole, and is not the one that is known."""

_MADE_LENGTH = 43
_SHORTEST_CHOSEN = 32
FIRST = frozenset(
    {"jwt_secret_key", "service_key", "api_key_pepper", "reset_key", "redis_password", "postgres_password"}
)
"""What every version has made: a database that exists without one of these has lost it. Secrets that came later are
missing only where a fingerprint of them is known; else this version is the first to make them."""


@dataclass(frozen=True)
class Damage:
    """A secret that cannot be used, and what is wrong with it."""

    name: str
    what: str


@dataclass(frozen=True)
class Advice:
    """What a refusal says beyond the damage; from the plan, which knows the operator's side."""

    where: str = ""
    """The folder with the secrets, as the operator sees it."""
    renew: str = ""
    """The command that makes new ones, with `{names}`; empty where there is none."""
    shuts_out: Mapping[str, str] = field(default_factory=dict[str, str])
    """Secret to what a new one ends."""
    configured: frozenset[str] = frozenset()
    """Secrets that the configuration gives: it says what they are, and may change them."""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Advice":
        """The advice in parsed JSON."""
        configured = frozenset(raw.get("configured", ()))
        return cls(raw.get("where", ""), raw.get("renew", ""), dict(raw.get("shuts_out", {})), configured)


class SecretsRefusedError(Exception):
    """Nothing may start with these secrets. The text is for the operator: `error:` lines and one `hint:` line."""

    def __init__(self, damages: Sequence[Damage], advice: Advice) -> None:
        self.damages = tuple(damages)
        super().__init__(refusal(self.damages, advice))


@dataclass(frozen=True)
class Known:
    """What is remembered of a secret: its fingerprint, and how long it was (the file lies beside the secret)."""

    fingerprint: Fingerprint
    length: int

    @classmethod
    def of(cls, name: str, value: str) -> "Known":
        """What is to be remembered of a value."""
        return cls(Fingerprint.of(name, value), len(value))


def refusal(damages: Sequence[Damage], advice: Advice) -> str:
    """Which secrets are damaged, where they lie, and what to do."""
    found = [f"  {advice.where}/{one.name}: {one.what}" for one in damages]
    names = [one.name for one in damages]
    lines = ["error: secrets of this instance are damaged, and nothing starts with them:"]
    return "\n".join([*lines, *found, f"hint: {_remedy(names, advice)}"])


def _remedy(names: Sequence[str], advice: Advice) -> str:
    put_back = f"Put {'it' if len(names) == 1 else 'them'} back from a backup of that folder"
    if not advice.renew:
        return f"{put_back}."
    costs = "; ".join(f"a new {name} {advice.shuts_out.get(name, 'is noticed by nobody')}" for name in names)
    return f"{put_back}. Without one, run `{advice.renew.format(names=' '.join(names))}`: {costs}."


def load_known(kept: Path) -> dict[str, Known]:
    """What is remembered of the secrets in `kept`; a file that was damaged itself is worth nothing."""
    try:
        raw = json.loads((kept / KNOWN).read_text(encoding="utf-8"))
        return {name: Known(Fingerprint.parse(item["fingerprint"]), item["length"]) for name, item in raw.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def known_as_text(known: Mapping[str, Known]) -> str:
    """The text for that file."""
    return json.dumps(
        {name: {"fingerprint": str(one.fingerprint), "length": one.length} for name, one in known.items()}
    )


def damages(kept: Path, names: Sequence[str], advice: Advice, *, database_exists: bool) -> list[Damage]:
    """What is wrong with the secrets of these names, as far as can be told without asking the database."""
    known = load_known(kept)
    found: list[Damage] = []
    for name in names:
        is_expected = name in known or name in advice.configured or (database_exists and name in FIRST)
        what = _damage(kept, name, known, is_expected, name in advice.configured)
        if what:
            found.append(Damage(name, what))
    return found


def changed(kept: Path, names: Sequence[str]) -> list[str]:
    """Those whose files look whole, but hold another value than is remembered."""
    known = load_known(kept)
    return [name for name in names if name in known and not known[name].fingerprint.matches(_text(kept / name) or "")]


def _damage(kept: Path, name: str, known: Mapping[str, Known], is_expected: bool, is_configured: bool) -> str | None:
    path = kept / name
    if not path.exists() and not path.is_symlink():
        return "missing" if is_expected else None
    try:
        value = path.read_bytes().decode("utf-8").strip()
    except UnicodeDecodeError:
        return "not text (UTF-8)"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not value:
        return "empty"
    if len(value.splitlines()) > 1:
        return "has more than one line"
    if not value.isprintable():
        return "not text: it holds control characters"
    return None if is_configured else _compared(name, value, known)


def _compared(name: str, value: str, known: Mapping[str, Known]) -> str | None:
    if name in known:
        if known[name].fingerprint.matches(value):
            return None
        if len(value) < known[name].length:
            return f"cut: it has {len(value)} characters of {known[name].length}"
        others = (other for other, one in known.items() if other != name and one.fingerprint.matches(value))
        return next((f"another secret: it holds what belongs in {other}" for other in others), None)
    shortest = _SHORTEST_CHOSEN if name in MAY_BE_CHOSEN else _MADE_LENGTH
    return f"cut: it has {len(value)} characters of {shortest}" if len(value) < shortest else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
