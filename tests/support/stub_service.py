"""A small stand-in that the driver's own tests run as a component: `python -m stub_service [fail|once|inattentive]`.

It answers /internal/ready, needs its secrets, and ends well on TERM (an inattentive one on its second). Standard
library only.
"""

import http.server
import os
import signal
import socketserver
import sys
from pathlib import Path


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Who asks over a Unix socket has no address that it could tell."""


def _miss_it(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main(mode: str) -> int:
    if mode == "fail":
        print("the stub cannot go on: its cause is written here", file=sys.stderr)
        return 3
    if mode == "once":
        return 0 if (Path(os.environ["DATAQUALITY_SECRETS"]) / "database_url").read_text() else 1
    if mode == "inattentive":
        signal.signal(signal.SIGTERM, _miss_it)
    path = Path(os.environ["DATAQUALITY_SOCKETS"]) / f"{os.environ['DATAQUALITY_COMPONENT']}.sock"
    path.unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(path), _Handler) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "serve"))
