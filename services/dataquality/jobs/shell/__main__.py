"""Runs the shell: `python -m dataquality.jobs.shell [-]`."""

import sys

from dataquality.jobs.shell.command import main

if __name__ == "__main__":
    sys.exit(main())
