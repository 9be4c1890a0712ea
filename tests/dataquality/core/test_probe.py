"""The health check that runs inside the containers of the HTTP services."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def service(status: int) -> Generator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = status if self.path == "/internal/ready" else 404
            self.send_response(found)
            self.end_headers()
            self.wfile.write(b'{"msg": "the database does not answer"}')

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def probe(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dataquality.core.probe"],
        env=os.environ | {"DATAQUALITY_PORT": str(port)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_ready_service_is_healthy() -> None:
    with service(200) as port:
        assert probe(port).returncode == 0


def test_a_service_that_lost_its_database_is_not_healthy_and_says_why() -> None:
    with service(503) as port:
        answer = probe(port)
    assert answer.returncode == 1
    assert "answers 503" in answer.stderr
    assert "the database does not answer" in answer.stderr


def test_a_service_that_is_gone_is_not_healthy() -> None:
    with service(200) as port:
        pass
    answer = probe(port)
    assert answer.returncode == 1
    assert "does not answer" in answer.stderr
