"""Runs the service: `python -m dataquality.auth`."""

from dataquality.auth.app import make_app
from dataquality.core.serve import serve

if __name__ == "__main__":
    serve(make_app)
