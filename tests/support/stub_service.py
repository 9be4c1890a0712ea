"""A small stand-in that the driver's own tests run as a component: `python -m stub_service [fail|once|inattentive]`.

It answers /internal/ready, needs its secrets, and ends well on TERM (an inattentive one on its second). Standard
library only.
"""

import http.server
import os
import signal
import sys
from pathlib import Path


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


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
    address = (os.environ.get("DATAQUALITY_HOST", "127.0.0.1"), int(os.environ.get("DATAQUALITY_PORT", "0")))
    with http.server.ThreadingHTTPServer(address, _Handler) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "serve"))
