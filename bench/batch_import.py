"""How long a batch import takes, and how much memory: `python bench/batch_import.py [USERS] [--no-passwords]`.

Imports users (default 10,000), a hundred to an organization, into a new SQLite database, then the same file again, then
exports. Prints seconds, processor time, and the peak of the jobs' resident memory. With passwords nearly all of the
first run is argon2id, once a user, on all cores.
"""

import contextlib
import json
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from dataquality.jobs.migrate import migrate

PER_ORGANIZATION = 100


def main() -> None:
    """Measure."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    users, with_passwords = (numbers or [10_000])[0], "--no-passwords" not in sys.argv
    with tempfile.TemporaryDirectory(prefix="dataquality-bench-") as name:
        folder = Path(name)
        (folder / "database_url").write_text(f"sqlite:///{folder}/bench.sqlite")
        (folder / "api_key_pepper").write_text("a-pepper-for-the-bench")
        migrate(f"sqlite:///{folder}/bench.sqlite")
        content = json.dumps(document(users, with_passwords)).encode()
        importing = ["dataquality.jobs.importer", "-", "--label"]
        run(folder, [*importing, "a.json"], content, f"import of {users} users ({len(content) >> 10} KiB of JSON)")
        run(folder, [*importing, "a.json"], content, "the same again")
        exported = run(folder, ["dataquality.jobs.exporter"], None, "export as YAML")
        text = json.loads(exported)["content"].encode()
        run(folder, [*importing, "a.yaml"], text, f"import of that export ({len(text) >> 10} KiB of YAML)")


def document(users: int, with_passwords: bool) -> dict[str, object]:
    """Organizations with their users."""
    names = [f"user-{number}" for number in range(users)]
    groups = [names[start : start + PER_ORGANIZATION] for start in range(0, users, PER_ORGANIZATION)]
    return {
        "organizations": [
            {
                "name": f"organization {number}",
                "users": [
                    {"username": name, "email": f"{name}@example.org"}
                    | ({"password": f"password of {name}"} if with_passwords else {})
                    for name in group
                ],
            }
            for number, group in enumerate(groups)
        ]
    }


class Peak(threading.Thread):
    """Watches the most memory that a process had resident; `ru_maxrss` would count what its parent had, too."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.kib = 0
        self._status = Path(f"/proc/{pid}/status")
        self.start()

    def run(self) -> None:
        """Look again and again until it has ended."""
        with contextlib.suppress(OSError):
            while found := re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text()):
                self.kib = int(found[1])
                time.sleep(0.05)


def run(folder: Path, words: list[str], content: bytes | None, what: str) -> bytes:
    """Run a job, print how it went, and give back what it wrote."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"DATAQUALITY_SECRETS": str(folder)},
    )  # fmt: skip
    peak = Peak(process.pid)
    said, _ = process.communicate(content)
    seconds = time.monotonic() - started
    assert process.returncode == 0, what
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {seconds:.1f} s ({processor:.1f} s of processor time), peak {peak.kib >> 10} MiB", flush=True)
    return said


if __name__ == "__main__":
    main()
