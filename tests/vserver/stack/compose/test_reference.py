"""The checkout's own compose.yaml is what `vserver` writes for deploy/reference.yaml."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from support.compose import docker, require_engine
from vserver.config.instance import find_instance
from vserver.stack.build import Overrides, build_plan
from vserver.stack.compose.context import DISTRIBUTION
from vserver.stack.compose.document import Image, Setting, compose_document
from vserver.stack.compose.files import Files, labels
from vserver.stack.compose.reference import reference
from vserver.stack.placement import ComposeSite
from vserver.stack.plan import Gateway

ROOT = Path(__file__).parents[4]


def test_the_committed_files_are_up_to_date() -> None:
    text, caddyfile = reference(ROOT)
    remedy = "run `python -m vserver.stack.compose.reference` and commit what it writes"
    assert (ROOT / "compose.yaml").read_text() == text, remedy
    assert (ROOT / "deploy/Caddyfile").read_text() == caddyfile, remedy


@pytest.mark.docker
def test_compose_understands_both_alike_but_for_name_paths_and_image() -> None:
    require_engine()
    found = find_instance(None, ROOT / "deploy/reference.yaml", None, "system")
    files = Files(found.instance)
    site = ComposeSite(found.instance.data_folder)
    plan = build_plan(found.instance, found.loaded.settings, site, Overrides(can_renew=False))
    files.make_folders()
    program = plan.component("gateway").program
    assert isinstance(program, Gateway)
    setting = Setting(
        project=found.instance.id, image=Image(f"{DISTRIBUTION}:x"), paths=files.paths,
        account=files.account(), labels=labels(found.instance),
    )  # fmt: skip
    files.write(compose_document(plan, setting), program.caddyfile)

    ours = understood(files.project.file)
    committed = understood(ROOT / "compose.yaml")
    places = {
        str(files.log): "LOG", str(ROOT / ".dataquality/log"): "LOG",
        str(files.kept): "KEPT", str(ROOT / ".dataquality/data/secrets"): "KEPT", ".dataquality/data/secrets": "KEPT",
        str(files.folder / "Caddyfile"): "CADDYFILE", str(ROOT / "deploy/Caddyfile"): "CADDYFILE",
        str(ROOT / "deploy/reference.yaml"): "CONFIGURATION", "deploy/reference.yaml": "CONFIGURATION",
        found.instance.id: "PROJECT", "dataquality-reference": "PROJECT",
    }  # fmt: skip
    assert committed["services"]["secrets"]["build"]["context"] == str(ROOT)
    assert normalised(ours, places) == normalised(committed, places)


def understood(file: Path) -> dict[str, Any]:
    return json.loads(docker("compose", "-f", str(file), "config", "--format=json"))


def normalised(document: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    for service in document["services"].values():
        service.pop("build", None)
        if service["image"].startswith(DISTRIBUTION):
            service["image"] = "OURS"
    text = json.dumps(document, sort_keys=True)
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    if os.geteuid() != 0:
        text = re.sub(rf"\b{os.getuid()}:{os.getgid()}\b", "10001:10001", text)
        text = text.replace(f'\\"uid\\": {os.getuid()}, \\"gid\\": {os.getgid()}', '\\"uid\\": 10001, \\"gid\\": 10001')
    return json.loads(text)


def test_the_comparison_can_fail() -> None:
    def made(limit: str) -> dict[str, Any]:
        return {"services": {"auth": {"image": f"{DISTRIBUTION}:a", "mem_limit": limit, "source": "/a/b"}}}

    assert normalised(made("1"), {"/a/b": "P"}) == normalised(made("1"), {"/a/b": "P"})
    assert normalised(made("1"), {"/a/b": "P"}) != normalised(made("2"), {"/a/b": "P"})
    assert normalised(made("1"), {"/a/b": "P"}) != normalised(made("1"), {"/a/b": "Q"})
