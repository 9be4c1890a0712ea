"""What both drivers do about secrets: fill the kept folder, and word the order for `dataquality.jobs.secrets`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vserver.stack.files import write_private
from vserver.stack.plan import Plan, SecretPlan

SECRETS_MODULE = "dataquality.jobs.secrets"
KEPT = "secrets"
"""Below the data folder: the secrets that were generated or given, and so must survive."""

_GIVEN = ".given.json"

STAYS = frozenset({"jwt_secret_key"})
"""Kept even when its key leaves the configuration: without it every token and session would die."""


@dataclass(frozen=True)
class Reader:
    """Where one component's secrets go, and the account that may read them (None: leave the owner)."""

    folder: PurePath
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Owned:
    """A folder that the job makes where it is missing, and gives to an account."""

    folder: PurePath
    uid: int
    gid: int


def keep_given(kept: Path, secrets: SecretPlan) -> None:
    """Write the secrets of the configuration into the kept folder; take out those that it no longer gives."""
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = _once_given(kept)
    # First the list, then what it names: after a crash in between, all of them can still be taken out.
    write_private(kept / _GIVEN, json.dumps(sorted(before | secrets.given.keys())))
    for name, value in secrets.given.items():
        write_private(kept / name, value)
    for name in before - secrets.given.keys() - STAYS:
        (kept / name).unlink(missing_ok=True)
    write_private(kept / _GIVEN, json.dumps(sorted(secrets.given)))


def _once_given(kept: Path) -> set[str]:
    try:
        return set(json.loads((kept / _GIVEN).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return set()


def specification(plan: Plan, readers: Mapping[str, Reader], folders: Sequence[Owned] = ()) -> str:
    """The `--spec` of the secrets job; holds names and templates, never a secret."""
    return json.dumps(
        {
            "generated": plan.secrets.generated,
            "derived": dict(plan.secrets.derived),
            "readers": [
                {
                    "folder": str(reader.folder),
                    "uid": reader.uid,
                    "gid": reader.gid,
                    "names": component.secrets,
                }
                for component in plan.components
                if component.secrets and (reader := readers.get(component.name))
            ],
            "folders": [{"folder": str(owned.folder), "uid": owned.uid, "gid": owned.gid} for owned in folders],
        }
    )
