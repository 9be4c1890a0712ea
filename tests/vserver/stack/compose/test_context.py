"""What the image is built from is the same, whether it comes from the checkout or from the wheel."""

import json
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from vserver.stack.compose.context import Sources, sources

ROOT = Path(__file__).parents[4]
_PRINT = """
import json
from vserver.stack.compose.context import sources
found = sources()
print(json.dumps([found.from_checkout, found.fingerprint(), sorted(map(str, found.files))]))
"""


def test_the_checkout_is_laid_out_as_the_dockerfile_expects_it(tmp_path: Path) -> None:
    found = sources()
    found.copy_to(tmp_path)
    assert found.from_checkout
    for name in ("pyproject.toml", "LICENSE", "README.md", "deploy/Dockerfile", "requirements/server.lock",
                 "services/dataquality/__init__.py", "cli/vserver/main.py"):  # fmt: skip
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_wheel_carries_the_same_files(tmp_path: Path) -> None:
    """Built from a copy, so that nobody changes a file in between."""
    copy, installed = tmp_path / "copy", tmp_path / "installed"
    copy.mkdir()
    sources().copy_to(copy)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy))
    (wheel,) = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(installed),
        str(wheel))  # fmt: skip

    def described(*folders: Path) -> list[object]:
        path = os.pathsep.join(map(str, folders))
        answer = run(sys.executable, "-c", _PRINT, env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path)
        return json.loads(answer)

    from_wheel = described(installed)
    from_checkout = described(copy / "cli", copy / "services")
    assert (from_wheel[0], from_checkout[0]) == (False, True)
    assert from_wheel[1:] == from_checkout[1:]


def test_a_changed_file_changes_the_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one")
    found = Sources({PurePosixPath("a.py"): file}, from_checkout=True)
    before = found.fingerprint()
    assert before == found.fingerprint()
    file.write_text("two")
    assert found.fingerprint() != before


def run(*command: str, **more: Any) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
