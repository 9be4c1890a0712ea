"""What our image is built from: the sources of this installation, in the layout of the repository.

They come from the checkout (an editable installation), or from the wheel, which carries what lies outside its two
packages under `vserver/_source/`. Both give the same files, and so the same fingerprint.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path, PurePosixPath

DISTRIBUTION = "dataquality-server"
FINGERPRINT = "dataquality.fingerprint"
"""The image's label that says which sources it was built from."""

_ROOT_FILES = ("pyproject.toml", "README.md", "LICENSE")
_ROOT_FOLDERS = ("deploy", "requirements")
_IGNORED = frozenset({"__pycache__", "_source"})


@dataclass(frozen=True)
class Sources:
    """The files of a build context, by their path in the repository."""

    files: Mapping[PurePosixPath, Path]
    from_checkout: bool
    """Whether they may change without a change of version."""

    def fingerprint(self) -> str:
        """Changes when any file does."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(f"{name}\0{hashlib.sha256(self.files[name].read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()[:16]

    def copy_to(self, folder: Path) -> None:
        """Lay the context out in an empty folder."""
        for name, source in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def version() -> str:
    """The version of this installation."""
    return metadata.version(DISTRIBUTION)


def image_name() -> str:
    """The image that this installation runs when no other is named."""
    return f"{DISTRIBUTION}:{version()}"


def sources() -> Sources:
    """The sources of this installation."""
    command = _package("vserver")
    checkout = command.parents[1]
    from_checkout = (checkout / "pyproject.toml").is_file() and (checkout / "deploy" / "Dockerfile").is_file()
    root = checkout if from_checkout else command / "_source"
    files = {PurePosixPath(name): root / name for name in _ROOT_FILES}
    for name in _ROOT_FOLDERS:
        files |= _tree(root / name, PurePosixPath(name))
    files |= _tree(_package("dataquality"), PurePosixPath("services/dataquality"))
    files |= _tree(command, PurePosixPath("cli/vserver"))
    return Sources(files, from_checkout)


def _package(name: str) -> Path:
    """The folder of a package, found without running it: the command never imports a service."""
    spec = util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {name} is not installed beside this command")
    return Path(next(iter(spec.submodule_search_locations)))


def _tree(folder: Path, name: PurePosixPath) -> dict[PurePosixPath, Path]:
    return {
        name / path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and not _IGNORED.intersection(path.relative_to(folder).parts)
    }
