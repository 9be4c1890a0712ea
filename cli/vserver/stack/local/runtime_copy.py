"""Lays a copy of an installation out: complete or not at all, named by what it was made from."""

import compileall
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vserver.stack import processes
from vserver.stack.driver import Progress

_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_FOLDER = 0o755


@dataclass(frozen=True)
class Parts:
    """What a copy is made from."""

    site_folders: tuple[Path, ...]
    own_packages: tuple[Path, ...]
    caddy: Path
    base: Path | None
    """The Python that a virtual environment stands on, where that has to be copied as well."""


def python(copied: Path) -> Path:
    """The interpreter of a copy."""
    return copied / "venv" / "bin" / "python"


def caddy(copied: Path) -> Path:
    """Caddy in a copy."""
    return copied / "venv" / "bin" / "caddy"


def site_folder(copied: Path) -> Path:
    """Where the packages of a copy lie."""
    return copied / "venv" / "lib" / _PYTHON / "site-packages"


def laid_out(parts: Parts, root: Path, progress: Progress) -> Path:
    """The copy of these parts below `root`; made when it is not there."""
    target = root / _fingerprint(parts)
    if target.is_dir():
        return target
    progress(f"laying out the programs in {target}, where the account that they run as can reach them")
    for folder in (root.parent, root):
        if not folder.exists():
            folder.mkdir(mode=_FOLDER)
            folder.chmod(_FOLDER)
    for left in root.glob(".new-*"):
        if not _is_alive(int(left.name.removeprefix(".new-"))):
            shutil.rmtree(left)
    aside = root / f".new-{os.getpid()}"
    try:
        _copy(parts, aside, target)
        aside.rename(target)
    except FileExistsError:
        pass  # another start was quicker, with the same parts
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def remove_others(root: Path, kept: Path) -> None:
    """Remove older copies from which nothing runs any more."""
    for folder in root.iterdir():
        if folder != kept and not folder.name.startswith(".") and not processes.running_from(folder):
            shutil.rmtree(folder)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _copy(parts: Parts, aside: Path, target: Path) -> None:
    binaries = aside / "venv" / "bin"
    binaries.mkdir(parents=True)
    packages = site_folder(aside)
    for folder in reversed(parts.site_folders):
        _copy_tree(folder, packages)
    for file in packages.glob("*.pth"):
        if _points_elsewhere(file):
            file.unlink()
    for package in parts.own_packages:
        shutil.rmtree(packages / package.name, ignore_errors=True)
        shutil.copytree(package, packages / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(packages / package.name, stripdir=aside, prependdir=target, quiet=2)
    _link_or_copy(str(parts.caddy), str(binaries / "caddy"))
    base_python = Path(sys.executable).resolve()
    if parts.base is not None:
        _copy_tree(parts.base, aside / "base")
        base_python = target / "base" / base_python.relative_to(parts.base)
    (binaries / "python").symlink_to(base_python)
    (aside / "venv" / "pyvenv.cfg").write_text(
        f"home = {base_python.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    _open_to_read(aside)


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, copy_function=_link_or_copy, dirs_exist_ok=True)


def _link_or_copy(source: str, target: str) -> str:
    """A second name for a file that only root can change and all can read; else a copy, which is made so."""
    status = os.stat(source)  # noqa: PTH116
    is_safe = status.st_uid == 0 and not status.st_mode & 0o022 and status.st_mode & stat.S_IROTH
    if is_safe and not os.path.lexists(target):
        try:
            os.link(source, target)
        except OSError:
            pass  # another file system
        else:
            return target
    if os.path.lexists(target):
        Path(target).unlink()
    return shutil.copy2(source, target)


def _open_to_read(folder: Path) -> None:
    """Root's, readable by all, writable by root alone."""
    for place in (folder, *_below(folder)):
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode):
            continue
        wanted = _FOLDER if status.st_mode & 0o111 or place.is_dir() else 0o644
        if status.st_uid != 0 or status.st_gid != 0:
            os.chown(place, 0, 0)
        if stat.S_IMODE(status.st_mode) != wanted and (place.is_dir() or status.st_nlink == 1):
            place.chmod(wanted)


def _below(folder: Path) -> Iterator[Path]:
    return folder.rglob("*")


def _points_elsewhere(pth: Path) -> bool:
    """Whether a .pth file names folders, as that of an editable installation does."""
    return any(line.startswith("/") for line in pth.read_text(encoding="utf-8").splitlines())


def _fingerprint(parts: Parts) -> str:
    """Changes with whatever was installed, updated or edited."""
    seen = hashlib.sha256(f"{sys.version} {sys.base_prefix} {parts.base}".encode())
    for folder in parts.site_folders:
        for entry in sorted(folder.iterdir()):
            seen.update(_signature(entry))
    for package in parts.own_packages:
        for file in sorted(package.rglob("*.py")):
            seen.update(_signature(file))
    seen.update(_signature(parts.caddy))
    return seen.hexdigest()[:16]


def _signature(path: Path) -> bytes:
    if path.name == "__pycache__":
        return b""
    status = path.stat()
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return os.fsencode(f"{path}\0{size}\0{status.st_mtime_ns}\n")
