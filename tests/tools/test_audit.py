"""`make audit`: what the server is made of, and what is known against it."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
BILL = ROOT / "dist" / "dataquality-server.cdx.json"
LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)
FLAW = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "It can be broken.",
    "affected": [
        {
            "package": {"name": "alembic", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}],
        }
    ],
}


@contextmanager
def vulnerability_data(flawed: str | None) -> Generator[str]:
    """A server that speaks as OSV's does, and knows a flaw of one package; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"vulns": [FLAW]} if asked["package"]["name"] == flawed else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A line for each package would say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


def audit(url: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "tools/audit.py", "--osv-url", url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_without_its_data_an_audit_says_so_and_never_that_all_is_well() -> None:
    BILL.unlink(missing_ok=True)
    done = audit("http://127.0.0.1:1/v1/query")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "could not be reached" in done.stderr
    bill = json.loads(BILL.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    assert listed == set(LOCKED.findall((ROOT / "requirements" / "local.lock").read_text()))


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    with vulnerability_data("alembic") as url:
        done = audit(url)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"alembic \S+: PYSEC-2026-1, mended in 999.0", done.stdout)


def test_where_nothing_is_known_against_any_package_all_is_well() -> None:
    with vulnerability_data(None) as url:
        done = audit(url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no known vulnerabilities" in done.stdout
