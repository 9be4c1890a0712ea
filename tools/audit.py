"""Says which locked packages have known vulnerabilities, and writes what the server is made of. Called by `make audit`.

The bill of materials (CycloneDX, JSON) is `dist/dataquality-server.cdx.json`; it needs no network. Exits 0 when every
package was looked up and none has a known vulnerability, 1 when one has, 3 when the vulnerability data could not be
reached for all of them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "local.lock"
"""All that an installation with every extra runs."""
BILL = ROOT / "dist" / "dataquality-server.cdx.json"
_SECONDS = 15
FOUND, OUT_OF_REACH, FAULT = 1, 3, 5


@dataclass(frozen=True)
class Audit:
    """What the vulnerability data say."""

    looked_up: int
    skipped: list[str]
    """Packages of which they say nothing."""
    vulnerable: list[str]
    """One line for each vulnerability."""


def main() -> int:
    """Run as a program."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--osv-url", metavar="URL", help="query this OSV server instead of the package index's data")
    asked = options.parse_args()
    if not write_bill():
        return FAULT
    say(f"wrote {BILL.relative_to(ROOT)}")
    say(f"looking up the packages of {LOCK.relative_to(ROOT)}")
    return told(audit(asked.osv_url))


def write_bill() -> bool:
    """Write the bill of materials; whether that went well."""
    BILL.parent.mkdir(exist_ok=True)
    done = run(
        *("cyclonedx_py", "requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml")),
        *("--mc-type", "application", "--output-reproducible", "--output-file", str(BILL)),
    )
    if done.returncode != 0:
        complain(f"the bill of materials could not be made: {done.stderr.strip()}")
    return done.returncode == 0


def audit(osv_url: str | None) -> Audit | None:
    """Look every locked package up; None where the data could not be reached."""
    source = ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        done = run(
            *("pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip", *source),
            *("--format", "json", "--output", str(answer), "--progress-spinner", "off", "--timeout", str(_SECONDS)),
        )
        if not answer.exists():
            complain((done.stderr.strip().splitlines() or ["the vulnerability service gave no answer"])[-1])
            return None
        return _read(json.loads(answer.read_text(encoding="utf-8")))


def _read(answer: dict[str, Any]) -> Audit:
    packages = cast(list[dict[str, Any]], answer["dependencies"])
    return Audit(
        looked_up=sum("vulns" in package for package in packages),
        skipped=[package["name"] for package in packages if "vulns" not in package],
        vulnerable=[
            f"{package['name']} {package['version']}: {found['id']}, "
            f"mended in {', '.join(found['fix_versions']) or 'no version yet'}"
            for package in packages
            for found in package.get("vulns", ())
        ],
    )


def told(found: Audit | None) -> int:
    """Say what was found, and answer the exit code."""
    for line in found.vulnerable if found else ():
        say(line)
    if found is not None and found.vulnerable:
        say(f"{len(found.vulnerable)} known vulnerabilities. Lock the mended versions (`make lock`), then audit again.")
        return FOUND
    if found is None or found.skipped:
        number = len(found.skipped) if found else "all"
        complain(
            f"the vulnerability data could not be reached for {number} of the packages, so nothing is known of them.\n"
            "Run this again where the internet can be reached, or give a mirror: tools/audit.py --osv-url URL."
        )
        return OUT_OF_REACH
    say(f"{found.looked_up} packages were looked up: no known vulnerabilities.")
    return 0


def say(text: str) -> None:
    """To whoever runs it."""
    print(text, flush=True)  # noqa: T201


def complain(text: str) -> None:
    """The same about what went wrong."""
    print(f"error: {text}", file=sys.stderr)  # noqa: T201


def run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a module of this environment to its end."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words


if __name__ == "__main__":
    sys.exit(main())
