"""What both drivers do about secrets: fill the kept folder, and word the order for `dataquality.jobs.secrets`."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from vserver.config.names import STRICT_TYPES
from vserver.config.weak_secrets import weakness
from vserver.errors import CommandError, ExitCode
from vserver.stack.driver import Progress
from vserver.stack.files import write_private
from vserver.stack.plan import Plan, SecretPlan
from vserver.stack.secret_table import NEW_ONE, OWN_PASSWORD

SECRETS_MODULE = "dataquality.jobs.secrets"
KEPT = "secrets"
"""Below the data folder: the secrets that were generated or given, and so must survive."""

REFUSED = 4
"""The exit code of the secrets job and of the migration where the secrets are damaged."""

FORGET_MODULE = "dataquality.jobs.known_secrets"
"""Makes a database forget fingerprints: the next migration takes the secrets that it finds."""
OWN_PYTHON = (sys.executable, "-P")
"""How this installation's Python runs a module of its own, whatever lies in the folder that we are in."""
SINGLE_USER = ("--single", "-c", "log_min_error_statement=panic")
"""How Postgres itself is run for statements without a password; one that fails is not logged, for it may hold one."""
_FINGERPRINT = "secret fingerprint: "
"""Before a secret's name: the key in `serverstate` (`dataquality.jobs.known_secrets`)."""

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


def refuse_weak(kept: Path, plan: Plan, progress: Progress) -> None:
    """Raise CommandError where a kept secret is easy to guess and the environment is acc or prod; elsewhere warn.

    Somebody put it there, or it stood in the configuration before. What stands there now is checked with it.
    """
    names = [name for name in plan.secrets.generated if name not in plan.secrets.given]
    weak = {name: what for name in names if (what := _weakness(kept / name))}
    told = [f"{kept / name} is easy to guess: {what}" for name, what in weak.items()]
    if told and plan.component("auth").environment.get("DATAQUALITY_ENVIRONMENT") in STRICT_TYPES:
        renew = plan.secrets.guard.renew if plan.secrets.guard else ""
        hint = f"Have a new one made: `{renew.format(names=' '.join(weak))}`." if renew else "Put a strong one there."
        raise CommandError("\n".join(told), hint, ExitCode.USAGE)
    for line in told:
        progress(f"warning: {line}")


def _weakness(file: Path) -> str | None:
    try:
        return weakness(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None  # the secrets job says what is wrong with it


def _once_given(kept: Path) -> set[str]:
    try:
        return set(json.loads((kept / _GIVEN).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return set()


def specification(plan: Plan, readers: Mapping[str, Reader], folders: Sequence[Owned] = ()) -> str:
    """The `--spec` of the secrets job; holds names and templates, never a secret."""
    guard = plan.secrets.guard
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
            **({"guard": {"database": guard.database, **_advice(plan.secrets)}} if guard else {}),
        }
    )


def renew_kept(command: Sequence[str], kept: Path, secrets: SecretPlan, names: Sequence[str]) -> None:
    """Make kept secrets anew; `command` runs Python. Raises `CommandError` where others are damaged too."""
    keep_given(kept, secrets)
    # The folder itself stands for the database: only an instance that has one comes here.
    guard = {"database": str(kept), **_advice(secrets)}
    spec = json.dumps({"generated": secrets.generated, "guard": guard})
    words = [*command, "-m", SECRETS_MODULE, "--kept", str(kept), "--spec", spec, "--renew", *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode == 0:
        return
    raise refusal(done.stderr.splitlines()) or CommandError(f"The secrets could not be made anew: {done.stderr}")


def damage(command: Sequence[str], kept: Path, secrets: SecretPlan) -> CommandError | None:
    """What is wrong with kept secrets, as far as can be told without the database; None where all are whole."""
    guard = {"database": secrets.guard.database if secrets.guard else None, **_advice(secrets)}
    spec = json.dumps({"generated": secrets.generated, "guard": guard})
    words = [*command, "-m", SECRETS_MODULE, "--kept", str(kept), "--spec", spec, "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return refusal(done.stderr.splitlines()) if done.returncode else None


def renewing_statements(role: str, kept: Path, names: Sequence[str]) -> str:
    """What the stack's own Postgres is told in single-user mode, where it asks for no password; one line each."""
    keys = ", ".join(f"'{_FINGERPRINT}{name}'" for name in names)
    forget = f"DELETE FROM serverstate WHERE key IN ({keys});"  # noqa: S608 - names from our table
    lines = [f"DO $$ BEGIN IF to_regclass('serverstate') IS NOT NULL THEN {forget} END IF; END $$;"]
    if OWN_PASSWORD in names:
        password = (kept / OWN_PASSWORD).read_text(encoding="utf-8").strip()
        lines.append(f"ALTER ROLE \"{role}\" PASSWORD '{password}';")
    return "".join(f"{line}\n" for line in lines)


def guard_for_migration(secrets: SecretPlan) -> str:
    """What the migration needs to hold the secrets against their fingerprints; no secret."""
    return json.dumps({"names": secrets.generated, **_advice(secrets)})


def refusal(said: Sequence[str]) -> CommandError | None:
    """The last refusal among a job's lines as an error of ours; None where there is none."""
    starts = [number for number, line in enumerate(said) if line.startswith("error: ")]
    if not starts:
        return None
    message, _, hint = "\n".join(said[starts[-1] :]).partition("\nhint: ")
    return CommandError(message.removeprefix("error: "), hint.strip().partition("\n")[0] or None)


def _advice(secrets: SecretPlan) -> dict[str, Any]:
    """What a refusal tells the operator."""
    guard = secrets.guard
    return {
        "where": guard.where if guard else "",
        "renew": guard.renew if guard else "",
        "shuts_out": {name: NEW_ONE[name] for name in secrets.generated if name in NEW_ONE},
        "configured": [name for name in secrets.generated if name in secrets.given],
    }
