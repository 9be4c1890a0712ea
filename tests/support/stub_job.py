"""A small one-off job that the driver's own tests run: `python -m stub_job CODE`."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    print((Path(os.environ["DATAQUALITY_SECRETS"]) / "database_url").read_text())
    sys.stderr.write(f"job read {len(sys.stdin.buffer.read())} bytes\n")
    sys.exit(int(sys.argv[1]))
