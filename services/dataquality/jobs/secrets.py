"""Makes the secrets of an instance and lays them out, one folder for each reader.

    python -m dataquality.jobs.secrets --kept FOLDER --spec JSON

`--spec` holds no secret, only names, templates and owners:

    {"generated": ["redis_password"],
     "derived": {"redis_url": "redis://:{redis_password}@redis:6379/0"},
     "readers": [{"folder": "/secrets/auth", "uid": 10001, "gid": 10001, "names": ["redis_url"]}],
     "folders": [{"folder": "/data", "uid": 10001, "gid": 10001}],
     "guard": {"database": "/data/postgres/PG_VERSION", "where": "/srv/hospital/secrets", "renew": "...", ...}}

A kept file wins over a derived template. `{name|purpose}` in a template is another secret, made from the one of that
name. `folders` are made where they are missing, and taken from root alone;
with uid or gid null an owner is left as it is. `guard` says where the instance's database is seen to exist, and what
a refusal tells the operator: a secret is made only for a database that is not there yet, and nothing is laid out from
files that are damaged (exit code 4). Standard library only: it runs before anything else does, and without a network
(but for asking a database of others whether it is new).
"""

import argparse
import base64
import hmac
import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dataquality.jobs import secret_files
from dataquality.jobs.secret_files import REFUSED, Advice, Damage, Known, SecretsRefusedError

SECRET_BYTES = 32
"""43 URL-safe characters: as strong as the HMAC-SHA-256 that some of them key."""

_NAME = re.compile(r"[a-z][a-z0-9_.]*")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class SecretsError(Exception):
    """The secrets cannot be made; the text says what is wrong and what to do, and holds no secret."""


@dataclass(frozen=True)
class Owner:
    """Whom a folder belongs to; None leaves what is there."""

    folder: Path
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Reader:
    """A folder with the secrets of one component, and the account that may read them."""

    owner: Owner
    names: tuple[str, ...]


@dataclass(frozen=True)
class Guard:
    """How damaged secrets are noticed, and what is said of them."""

    database: Path | None
    """A file that exists once the database does; None: ask the database itself, at the kept `database_url`."""
    advice: Advice


@dataclass(frozen=True)
class Spec:
    """What to make and for whom."""

    generated: tuple[str, ...] = ()
    derived: Mapping[str, str] = field(default_factory=dict[str, str])
    readers: tuple[Reader, ...] = ()
    folders: tuple[Owner, ...] = ()
    guard: Guard | None = None


def parse_spec(text: str) -> Spec:
    """The specification in `text` (JSON); raises `SecretsError` where it is not one."""
    try:
        raw = cast(dict[str, Any], json.loads(text))
        spec = Spec(
            generated=tuple(raw.get("generated", ())),
            derived=dict(raw.get("derived", {})),
            readers=tuple(Reader(_owner(item), tuple(item["names"])) for item in raw.get("readers", ())),
            folders=tuple(_owner(item) for item in raw.get("folders", ())),
            guard=_guard(raw["guard"]) if raw.get("guard") else None,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SecretsError(f"--spec is not a specification of secrets ({type(error).__name__}: {error})") from error
    for name in (*spec.generated, *spec.derived, *(name for reader in spec.readers for name in reader.names)):
        if not _NAME.fullmatch(name):
            raise SecretsError(f"--spec: '{name}' cannot be the name of a secret")
    return spec


def lay_out(kept: Path, spec: Spec) -> None:
    """Make what a new instance lacks in `kept`, then write each reader's files. Safe to repeat, and twice at once.

    Raises SecretsRefusedError where what is kept is damaged.
    """
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    if spec.guard:
        check(kept, spec.generated, spec.guard)
    for name in spec.generated:
        _generate(kept, name)
    if spec.guard:
        remember(kept, spec.generated, spec.guard.advice.configured)
    wanted = {name for reader in spec.readers for name in reader.names}
    found = {name: _value(kept, name, spec.derived) for name in wanted}
    values = {name: value for name, value in found.items() if value is not None}
    missing = wanted - values.keys()
    if missing:
        raise SecretsError(f"{kept}: no value for {', '.join(sorted(missing))}: neither kept, generated nor derived")
    for owner in spec.folders:
        owner.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if owner.folder.stat().st_uid == 0:  # never taken from an account that was given it on purpose
            _give(owner.folder, owner.uid, owner.gid)
    for reader in spec.readers:
        _write_reader(reader, values)


def check(kept: Path, names: Sequence[str], guard: Guard) -> None:
    """Raise SecretsRefusedError where secrets are damaged, or missing though the database exists."""
    is_missing = any(not (kept / name).exists() for name in names)
    # Asked only where something is missing: else nothing will be made.
    exists = is_missing and _database_exists(kept, guard.database)
    found = secret_files.damages(kept, names, guard.advice, database_exists=exists)
    if found:
        raise SecretsRefusedError(found, guard.advice)


def renew(kept: Path, spec: Spec, names: Collection[str]) -> None:
    """Put new secrets in the place of these. Raises SecretsRefusedError where others are damaged too."""
    if spec.guard is None or not set(names) <= set(spec.generated):
        raise SecretsError(f"only these can be made anew: {', '.join(spec.generated)}")
    found = secret_files.damages(kept, spec.generated, spec.guard.advice, database_exists=True)
    if {one.name for one in found} - set(names):
        raise SecretsRefusedError(found, spec.guard.advice)
    owner = kept.stat()
    for name in names:
        value = secrets.token_urlsafe(SECRET_BYTES)
        _write_aside(kept, value, 0o600, owner.st_uid, owner.st_gid).replace(kept / name)
    remember(kept, spec.generated, names)


def look(kept: Path, spec: Spec) -> None:
    """Raise SecretsRefusedError where secrets are damaged, or others than were last used. Changes nothing."""
    if spec.guard is None:
        return
    check(kept, spec.generated, spec.guard)
    changed = secret_files.changed(kept, [name for name in spec.generated if name not in spec.guard.advice.configured])
    if changed:
        raise SecretsRefusedError([Damage(name, secret_files.STRANGER) for name in changed], spec.guard.advice)


def remember(kept: Path, names: Sequence[str], anew: Collection[str] = ()) -> None:
    """Note the fingerprints of secrets that are not known yet, and again those of `anew` that have changed."""
    known = secret_files.load_known(kept)
    stale = set(secret_files.changed(kept, [name for name in names if name in anew]))
    values = {name: _value(kept, name, {}) or "" for name in names if name not in known or name in stale}
    if values:
        text = secret_files.known_as_text(known | {name: Known.of(name, value) for name, value in values.items()})
        owner = kept.stat()
        _write_aside(kept, text, 0o600, owner.st_uid, owner.st_gid).replace(kept / secret_files.KNOWN)


def _database_exists(kept: Path, file: Path | None) -> bool:
    if file is not None:
        return file.exists() and file.stat().st_size > 0
    from dataquality.jobs.known_secrets import holds_data

    url = _value(kept, "database_url", {})
    if url is None:
        raise SecretsError(f"{kept}: no value for database_url")
    try:
        return holds_data(url)
    except Exception as error:
        raise SecretsError(
            f"a secret is missing, and the database cannot be asked whether it is new: {_cause(error)}. "
            "See that it runs and that `uri` is right"
        ) from error


def _cause(error: Exception) -> str:
    """In the words of the database's driver, which hold no password; those of others may hold the whole address."""
    said = str(getattr(error, "orig", "")).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _guard(raw: Mapping[str, Any]) -> Guard:
    return Guard(Path(raw["database"]) if raw.get("database") else None, Advice.parse(raw))


def _owner(raw: Mapping[str, Any]) -> Owner:
    return Owner(Path(raw["folder"]), raw.get("uid"), raw.get("gid"))


def _generate(kept: Path, name: str) -> None:
    """Make a secret unless there is one; of two that make it at once, the first wins for both."""
    target = kept / name
    if target.exists():
        return
    owner = kept.stat()
    temporary = _write_aside(kept, secrets.token_urlsafe(SECRET_BYTES), 0o600, owner.st_uid, owner.st_gid)
    try:
        os.link(temporary, target)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _value(kept: Path, name: str, derived: Mapping[str, str]) -> str | None:
    try:
        return (kept / name).read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretsError(f"{kept / name} is not text (UTF-8): put it back from a backup") from None
    except FileNotFoundError:
        template = derived.get(name)
        return None if template is None else _fill(kept, name, template)


def _fill(kept: Path, name: str, template: str) -> str:
    def kept_value(match: re.Match[str]) -> str:
        other, _, purpose = match.group(1).partition("|")
        value = _value(kept, other, {}) if _NAME.fullmatch(other) else None
        if value is None:
            raise SecretsError(f"the template of '{name}' names '{other}', which is no secret of this instance")
        return _made_from(value, purpose) if purpose else value

    return _PLACEHOLDER.sub(kept_value, template)


def _made_from(value: str, purpose: str) -> str:
    """A secret of its own, as strong as the one that it is made from, which it does not reveal."""
    return base64.urlsafe_b64encode(hmac.digest(value.encode(), purpose.encode(), "sha256")).decode().rstrip("=")


def _write_reader(reader: Reader, values: Mapping[str, str]) -> None:
    folder = reader.owner.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _give(folder, reader.owner.uid, reader.owner.gid)
    folder.chmod(0o700)
    for name in reader.names:
        temporary = _write_aside(folder, values[name], 0o400, reader.owner.uid, reader.owner.gid)
        temporary.replace(folder / name)
    for path in folder.iterdir():
        if path.name not in reader.names and _NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _write_aside(folder: Path, text: str, mode: int, uid: int | None, gid: int | None) -> Path:
    """A complete new file beside its later name; the dot keeps it from being taken for a secret."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _give(path, uid, gid)
    path.chmod(mode)
    return path


def _give(path: Path, uid: int | None, gid: int | None) -> None:
    """Change the owner only where it differs: who already owns a file needs no right to give it away."""
    now = path.stat()
    wanted = (now.st_uid if uid is None else uid, now.st_gid if gid is None else gid)
    if wanted != (now.st_uid, now.st_gid):
        os.chown(path, *wanted)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; 0, or 1 with one line that says what went wrong, or 4 where the secrets are damaged."""
    parser = argparse.ArgumentParser(prog="python -m dataquality.jobs.secrets")
    parser.add_argument("--kept", type=Path, required=True, help="folder that keeps what was generated or given")
    parser.add_argument("--spec", required=True, help="what to make and for whom, as JSON without any secret")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 0 only if all are whole")
    parser.add_argument("--renew", nargs="+", metavar="NAME", help="only make these anew, whatever they hold")
    options = parser.parse_args(arguments)
    try:
        spec = parse_spec(options.spec)
        if options.check:
            look(options.kept, spec)
        elif options.renew:
            renew(options.kept, spec, options.renew)
        else:
            lay_out(options.kept, spec)
    except SecretsRefusedError as refused:
        print(refused, file=sys.stderr)  # noqa: T201
        return REFUSED
    except (SecretsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
