"""`vserver image`: the image that the driver compose runs."""

from pathlib import Path
from typing import Annotated

import typer

from vserver.commands import options
from vserver.commands.output import Output, table

Archive = Annotated[Path, typer.Argument(help="Archive of images, as `make dist` or `docker save` writes it.")]
Tag = Annotated[str | None, typer.Option("-t", "--tag", help="Name for the image. Default: the one that is run.")]


def register(app: typer.Typer) -> None:
    """Add this command."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Build, load or show the server's image.")
    group.command("build", epilog=options.examples("vserver image build"))(build)
    group.command("load", epilog=options.examples("vserver image load dataquality-server-images.tar"))(load)
    group.command("show", epilog=options.examples("vserver image show"))(show)
    app.add_typer(group, name="image")


def build(tag: Tag = None, json: options.Json = False) -> None:
    """Build the image from this installation."""
    from vserver.stack.compose import images
    from vserver.stack.compose.context import sources
    from vserver.stack.compose.engine import connect

    output = Output("image build", json)
    name = images.build(connect(), sources(), output.step, tag)
    output.done({"image": name}, [f"Built {name} in {output.seconds:.1f} s."])


def load(archive: Archive, json: options.Json = False) -> None:
    """Load images from an archive, on a site without internet."""
    from vserver.errors import CommandError, ExitCode
    from vserver.stack.compose.context import image_name
    from vserver.stack.compose.engine import connect

    if not archive.is_file():
        raise CommandError(f"{archive}: there is no such file", "Name an archive of images.", ExitCode.USAGE)
    output = Output("image load", json)
    engine = connect()
    output.step(f"loading {archive}")
    names = engine.load(archive)
    if engine.image_labels(image_name()) is None:
        output.warn(f"{image_name()}, which this version runs, is not among them")
    output.done({"images": names}, [f"Loaded {name}" for name in names])


def show(json: options.Json = False) -> None:
    """Show which images the stack runs, and whether they are here."""
    from vserver.stack.compose.engine import connect
    from vserver.stack.compose.images import overview

    output = Output("image show", json)
    found = overview(connect())
    rows = [(one.name, one.what, (one.id or "").removeprefix("sha256:")[:12], one.note) for one in found]
    output.done({"images": [vars(one) for one in found]}, table([("Image", "Used for", "Id", "Note"), *rows]))
