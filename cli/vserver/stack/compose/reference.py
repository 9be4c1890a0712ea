"""Writes /compose.yaml and /deploy/Caddyfile of the checkout: `python -m vserver.stack.compose.reference`.

They are what `vserver start --config deploy/reference.yaml` runs, but for the project's name, the paths (all below
the checkout) and the image, which is built from the checkout. So `docker compose up` works without `vserver`.
"""

import dataclasses
from pathlib import Path

from vserver.config.instance import configuration_at, instance_of
from vserver.config.reader import read_environment
from vserver.stack.build import Overrides, build_plan
from vserver.stack.compose.context import DISTRIBUTION
from vserver.stack.compose.document import Image, Paths, Setting, compose_document, compose_document_text
from vserver.stack.compose.files import labels
from vserver.stack.placement import ComposeSite
from vserver.stack.plan import Gateway

CONFIGURATION = "deploy/reference.yaml"
_PROJECT = "dataquality-reference"
_FOLDER = "./.dataquality"
_HEADER = f"""\
The reference stack: `docker compose up --wait` in this folder builds the image, makes the secrets and starts it.
Made from {CONFIGURATION} by `python -m vserver.stack.compose.reference`; what it keeps is in {_FOLDER} and in volumes.
"""


def reference(checkout: Path) -> tuple[str, str]:
    """The texts of compose.yaml and of the gateway's Caddyfile."""
    file = configuration_at(checkout / CONFIGURATION, "system")
    loaded = read_environment(file.path)
    instance = dataclasses.replace(
        instance_of(file, loaded.name, log_name=loaded.settings.logging.file),
        id=_PROJECT,
        configuration=Path(CONFIGURATION),
        data_folder=Path(_FOLDER, "data"),
    )
    plan = build_plan(instance, loaded.settings, ComposeSite(instance.data_folder), Overrides(can_renew=False))
    setting = Setting(
        project=_PROJECT,
        image=Image(f"{DISTRIBUTION}:checkout", build={"context": ".", "dockerfile": "deploy/Dockerfile"}),
        paths=Paths(
            data=f"{_FOLDER}/data",
            log=f"{_FOLDER}/log",
            kept=f"{_FOLDER}/data/secrets",
            caddyfile="./deploy/Caddyfile",
        ),
        labels=labels(instance),
    )
    program = plan.component("gateway").program
    caddyfile = program.caddyfile if isinstance(program, Gateway) else ""
    return compose_document_text(compose_document(plan, setting), _HEADER), caddyfile


def main() -> None:
    """Write both files of this checkout."""
    checkout = Path(__file__).parents[4]
    text, caddyfile = reference(checkout)
    (checkout / "compose.yaml").write_text(text, encoding="utf-8")
    (checkout / "deploy" / "Caddyfile").write_text(caddyfile, encoding="utf-8")


if __name__ == "__main__":
    main()
