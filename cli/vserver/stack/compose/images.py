"""Where the images come from: our own is built here where it is missing, others are fetched."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vserver.errors import CommandError
from vserver.stack.compose.context import FINGERPRINT, Sources, image_name, sources, version
from vserver.stack.compose.document import PARTS_IMAGES, Image
from vserver.stack.compose.engine import Engine
from vserver.stack.driver import Progress

_SHOWN_LINES = 15


def ensure_own(engine: Engine, named: str | None, progress: Progress) -> Image:
    """The image of our components, here and ready: the named one, or our own of this version."""
    if named is not None:
        ensure(engine, [named], progress)
        return Image(named, from_registry=True)
    name, found = image_name(), sources()
    labels = engine.image_labels(name)
    if labels is None:
        progress(f"the image {name} is not here: building it (once, a minute or two)")
        build(engine, found, progress)
    elif labels.get(FINGERPRINT) != found.fingerprint():
        _other_sources(engine, found, progress)
    return Image(name)


@dataclass(frozen=True)
class ImageInfo:
    """An image that a stack runs."""

    name: str
    what: str
    id: str | None
    """None when it is not here."""
    note: str


def overview(engine: Engine) -> list[ImageInfo]:
    """The images of this version, our own first."""
    parts = zip(PARTS_IMAGES, ("Postgres", "Redis", "gateway"), strict=True)
    return [_own_info(engine), *(_info(engine, name, what, "fetched at the next start") for name, what in parts)]


def _own_info(engine: Engine) -> ImageInfo:
    name = image_name()
    labels = engine.image_labels(name)
    if labels is not None and labels.get(FINGERPRINT) != sources().fingerprint():
        return ImageInfo(name, "server", engine.image_id(name), "built from other sources than this installation")
    return _info(engine, name, "server", "built at the next start")


def _info(engine: Engine, name: str, what: str, when_missing: str) -> ImageInfo:
    found = engine.image_id(name)
    return ImageInfo(name, what, found, "" if found else f"not here: {when_missing}")


def ensure(engine: Engine, images: Iterable[str], progress: Progress) -> None:
    """Fetch those that are not here; no registry is asked about the others."""
    for image in images:
        if engine.image_labels(image) is None:
            progress(f"fetching the image {image}")
            engine.pull(image)


def build(engine: Engine, found: Sources, progress: Progress, tag: str | None = None) -> str:
    """Build our image from this installation; its name."""
    name = tag or image_name()
    older = engine.image_id(name)
    said: list[str] = []

    def on_line(line: str) -> None:
        said.append(line)
        if step := _step(line):
            progress(step)

    with tempfile.TemporaryDirectory(prefix="dataquality-image-") as folder:
        found.copy_to(Path(folder))
        arguments = {"VERSION": version(), "FINGERPRINT": found.fingerprint()}
        code = engine.build(Path(folder), name, arguments, on_line)
    if code != 0:
        raise CommandError(
            "\n".join([f"the image {name} could not be built:", *said[-_SHOWN_LINES:]]),
            "The build needs the base image python:3.13-slim and a package index. On a site without internet bring "
            "the image in an archive: `vserver image load ARCHIVE`.",
        )
    if older is not None and older != engine.image_id(name):
        engine.remove_unused_image(older)
    return name


def _other_sources(engine: Engine, found: Sources, progress: Progress) -> None:
    if found.from_checkout:
        progress(f"the sources have changed since the image {image_name()} was built: building it again")
        build(engine, found, progress)
    else:
        progress(
            f"note: the image {image_name()} was built from other sources than this installation; "
            "`vserver image build` builds it anew"
        )


def _step(line: str) -> str | None:
    """The steps of a build in BuildKit's plain words, e.g. `#8 [build 3/9] RUN python3 ...`."""
    number, _, rest = line.partition(" ")
    return f"image: {rest[:90]}" if number.startswith("#") and rest.startswith("[") else None
