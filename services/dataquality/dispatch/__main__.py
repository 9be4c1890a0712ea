"""Runs the service: `python -m dataquality.dispatch`."""

from dataquality.core.serve import serve
from dataquality.dispatch.app import make_app

if __name__ == "__main__":
    serve(make_app)
