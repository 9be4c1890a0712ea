"""Runs the export: `python -m dataquality.jobs.exporter --format yaml`."""

import sys

from dataquality.jobs.exporter.command import main

if __name__ == "__main__":
    sys.exit(main())
