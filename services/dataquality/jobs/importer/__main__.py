"""Runs the import: `python -m dataquality.jobs.importer - --label FILE [--dry-run] [--update] [--drop-all]`."""

import sys

from dataquality.jobs.importer.command import main

if __name__ == "__main__":
    sys.exit(main())
