"""Makes `dist/`: all that a site without internet needs to install and run the server. Called by `make dist`.

The image archive is made where a Docker engine answers; without one all else is made, and that is said.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from vserver.errors import CommandError
from vserver.stack.compose.context import image_name, version
from vserver.stack.compose.document import PARTS_IMAGES
from vserver.stack.compose.engine import connect
from vserver.stack.compose.images import ensure, ensure_own

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
WHEELS = DIST / "wheelhouse"
ARCHIVE = DIST / "dataquality-server-images.tar"

README = """\
# dataquality server {version}, for a site without internet

Made for Python {python} on {platform}. Copy this folder to the machine; nothing below asks a network.

Install the command into a virtual environment:

    python{python} -m venv /opt/dataquality
    /opt/dataquality/bin/pip install --no-index --find-links wheelhouse "dataquality-server[local]"
    ln -s /opt/dataquality/bin/vserver /usr/local/bin/vserver

With `--driver local` that is all. To run the stack as containers, load the images once:

{images}

Then `vserver start` as everywhere; images that are there are never asked for at a registry.

`requirements/` holds the exact versions and hashes of all that is in `wheelhouse/`.
"""
WITH_IMAGES = """\
    vserver image load dataquality-server-images.tar     # or: docker load -i ...

It holds {names}."""
WITHOUT_IMAGES = """\
    (This folder was made without a Docker engine, so it has no images. Run `make dist` where one answers.)"""


def main() -> int:
    """Make it all anew."""
    shutil.rmtree(DIST, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(WHEELS), str(ROOT))
    python(
        "-m", "pip", "wheel", "--quiet", "--no-deps", "--require-hashes",
        "--requirement", str(ROOT / "requirements/local.lock"), "--wheel-dir", str(WHEELS),
    )  # fmt: skip
    (DIST / "requirements").mkdir()
    for lock in ("local.lock", "server.lock"):
        shutil.copy(ROOT / "requirements" / lock, DIST / "requirements")
    names = save_images()
    (DIST / "README.md").write_text(readme(names), encoding="utf-8")
    say(f"made {DIST.name}/ ({sum(path.stat().st_size for path in DIST.rglob('*') if path.is_file()) >> 20} MiB)")
    return 0


def save_images() -> list[str]:
    """Write the archive; the images in it, none where no engine answers."""
    try:
        engine = connect()
    except CommandError as error:
        say(f"no image archive: {error.message}")
        return []
    ensure_own(engine, None, say)
    ensure(engine, PARTS_IMAGES, say)
    names = [image_name(), *PARTS_IMAGES]
    engine.save(names, ARCHIVE)
    return names


def readme(names: list[str]) -> str:
    """How to use what lies beside it."""
    images = WITH_IMAGES.format(names=", ".join(names)) if names else WITHOUT_IMAGES
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return README.format(version=version(), python=python_version, platform=sysconfig.get_platform(), images=images)


def python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True)  # noqa: S603 - our own words


def say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
