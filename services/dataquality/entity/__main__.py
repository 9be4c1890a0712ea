"""Runs the entity service: `python -m dataquality.entity`."""

from dataquality.core.serve import serve
from dataquality.entity.app import make_app

if __name__ == "__main__":
    serve(make_app)
