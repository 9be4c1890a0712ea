"""What the local driver starts may have as many open files as the system allows."""

import subprocess
from pathlib import Path

from vserver.stack.local.programs import script


def test_component_starts_with_its_soft_limit_raised_to_the_hard_one(tmp_path: Path) -> None:
    file = tmp_path / "start"
    file.write_text(script(["/bin/sh", "-c", "ulimit -S -n; ulimit -H -n"], {}, tmp_path, "A test."))
    limited = f"ulimit -S -n 256; exec /bin/sh {file}"
    done = subprocess.run(["/bin/sh", "-c", limited], capture_output=True, text=True, check=True)
    soft, hard = done.stdout.split()
    assert soft == hard != "256"
