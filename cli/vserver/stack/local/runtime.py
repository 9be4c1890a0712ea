"""The installation that an instance runs from: this one, or a copy where the account it runs as cannot reach this one.

Root's own installations often lie below /root, which no other account may enter. Rather than open that folder, a copy
is laid out below /var/lib: root's, readable by all, writable by nobody else.
"""

import compileall
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from vserver.account import HOME, Account, reachable
from vserver.errors import CommandError, ExitCode
from vserver.stack.driver import Progress
from vserver.stack.local import runtime_copy
from vserver.stack.local.programs import Runtime, installed_runtime

OWN_PACKAGES = ("dataquality", "vserver")
_TRIAL = "import dataquality, supervisor, sqlalchemy"


def runtime_for(account: Account | None, progress: Progress) -> Runtime:
    """The programs for an account (None: our own), laid out anew where it cannot reach those of this installation."""
    here = installed_runtime()
    if account is None:
        return here
    if _all_reachable(here, account) and _runs(here, account):
        _compile_own()
        return here
    parts = runtime_copy.Parts(
        site_folders=_site_folders(),
        own_packages=tuple(_package(name) for name in OWN_PACKAGES),
        caddy=here.caddy,
        base=None if _reaches_base(account) else Path(sys.base_prefix).resolve(),
    )
    root = HOME / "runtime"
    copied = runtime_copy.laid_out(parts, root, progress)
    there = _moved(here, parts, copied)
    if not _runs(there, account):
        raise CommandError(
            f"The account `{account.name}`, which the server runs as, cannot run {there.python}",
            f"Install dataquality-server where `{account.name}` may read it (/opt, say), or start it as a user.",
            ExitCode.UNREACHABLE,
        )
    runtime_copy.remove_others(root, copied)
    return there


def _compile_own() -> None:
    """The account cannot keep what Python compiles beside root's sources, so that every start would compile anew."""
    for folder in map(_package, OWN_PACKAGES):
        if folder.stat().st_uid == 0:
            compileall.compile_dir(folder, quiet=2)


def _all_reachable(runtime: Runtime, account: Account) -> bool:
    places = [
        *(runtime.python, runtime.python.resolve(), runtime.caddy, runtime.valkey, *runtime.postgres.values()),
        *_site_folders(),
        *(_package(name) for name in OWN_PACKAGES),
        Path(os.__file__).parent,
    ]
    return all(reachable(place, account.uid, account.gid) for place in places)


def _reaches_base(account: Account) -> bool:
    places = (Path(sys.base_prefix), Path(sys.executable).resolve(), Path(os.__file__).parent)
    return all(reachable(place, account.uid, account.gid) for place in places)


def _runs(runtime: Runtime, account: Account) -> bool:
    """Tried, not reckoned: modes are not all that can stand in the way."""
    done = subprocess.run(  # noqa: S603
        [str(runtime.python), "-P", "-c", _TRIAL],
        cwd="/",
        env={"LANG": "C.UTF-8"},
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _site_folders() -> tuple[Path, ...]:
    """Where installed packages lie, in the order in which they are looked for."""
    return tuple(
        folder
        for entry in sys.path
        if (folder := Path(entry)).name in {"site-packages", "dist-packages"} and folder.is_dir()
    )


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise CommandError(f"The package {name} is not installed", "Install dataquality-server anew.", ExitCode.FAULT)
    return Path(spec.origin).parent


def _moved(here: Runtime, parts: runtime_copy.Parts, copied: Path) -> Runtime:
    """The same programs in the copy."""

    def moved(path: Path) -> Path:
        for folder in parts.site_folders:
            if path.is_relative_to(folder):
                return runtime_copy.site_folder(copied) / path.relative_to(folder)
        return path

    return replace(
        here,
        python=runtime_copy.python(copied),
        caddy=runtime_copy.caddy(copied),
        valkey=moved(here.valkey),
        postgres={version: moved(folder) for version, folder in here.postgres.items()},
    )
