"""What a batch import costs, against the slow hashes alone: `python bench/batch_import.py [USERS] [--no-passwords]`.

Imports users (default 10,000), a hundred to an organization, into a new SQLite database, then the same file again, then
exports, and imports the export. Prints seconds, processor time with its ratio to the baseline of the same run, and the
peak of the job's resident memory; writes bench/results/batch_import.json. The baseline is argon2id on as many
passwords, or without passwords the file that changes nothing. `make bench` takes 300 users.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from os import cpu_count
from pathlib import Path

from dataquality.core.passwords import hash_password
from dataquality.jobs.migrate import migrate

RESULTS = Path(__file__).resolve().parent / "results" / "batch_import.json"
PER_ORGANIZATION = 100


@dataclass(frozen=True)
class Cost:
    """`processor` counts the seconds of all cores; `peak_mib` is None where no job ran."""

    name: str
    seconds: float
    processor: float
    peak_mib: int | None = None


def main() -> None:
    """Measure."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    users, with_passwords = (numbers or [10_000])[0], "--no-passwords" not in sys.argv
    with tempfile.TemporaryDirectory(prefix="dataquality-bench-") as name:
        costs = imported_and_exported(Path(name), users, with_passwords)
    baseline = hashes_alone(users) if with_passwords else costs[1]
    show([baseline, *(cost for cost in costs if cost is not baseline)])


def imported_and_exported(folder: Path, users: int, with_passwords: bool) -> list[Cost]:
    """A file imported, imported again, exported, and the export imported."""
    (folder / "database_url").write_text(f"sqlite:///{folder}/bench.sqlite")
    (folder / "api_key_pepper").write_text("a-pepper-for-the-bench")
    migrate(f"sqlite:///{folder}/bench.sqlite")
    content = json.dumps(document(users, with_passwords)).encode()
    importing = ["dataquality.jobs.importer", "-", "--label"]
    _, first = run(folder, [*importing, "a.json"], content, f"import of {users} users ({len(content) >> 10} KiB)")
    _, again = run(folder, [*importing, "a.json"], content, "the same again")
    exported, export = run(folder, ["dataquality.jobs.exporter"], None, "export as YAML")
    text = json.loads(exported)["content"].encode()
    _, back = run(folder, [*importing, "a.yaml"], text, f"import of that export ({len(text) >> 10} KiB)")
    return [first, again, export, back]


def hashes_alone(count: int) -> Cost:
    """So many passwords hashed on all cores, and nothing else."""
    started, before = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        list(pool.map(hash_password, (f"password of user-{number}" for number in range(count))))
    return Cost(f"argon2id of {count} passwords", time.monotonic() - started, time.process_time() - before)


def show(costs: Sequence[Cost]) -> None:
    """Print the costs, the baseline first, and write them down."""
    baseline = costs[0]
    for cost in costs:
        ratio = cost.processor / baseline.processor
        memory = "" if cost.peak_mib is None else f", peak {cost.peak_mib} MiB"
        print(f"{cost.name:40} {cost.seconds:8.1f} s  {cost.processor:8.1f} s of processor time  {ratio:6.2f}x{memory}")
    RESULTS.parent.mkdir(exist_ok=True)
    rows = [asdict(cost) | {"ratio": cost.processor / baseline.processor} for cost in costs]
    RESULTS.write_text(json.dumps({"baseline": baseline.name, "costs": rows}, indent=2) + "\n", encoding="utf-8")
    print(f"\nThe baseline is {baseline.name}. As JSON: {RESULTS}")


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


def run(folder: Path, words: list[str], content: bytes | None, what: str) -> tuple[bytes, Cost]:
    """Run a job; what it wrote, and what it cost."""
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
    return said, Cost(what, seconds, processor, peak.kib >> 10)


if __name__ == "__main__":
    main()
