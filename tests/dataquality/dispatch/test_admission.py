"""How many connections may be open: counted and checked in one step."""

import pytest

from dataquality.core.errors import TooManyRequests
from dataquality.dispatch.sockets.admission import Admission, Quota

SMALL, LARGE = Quota(("address", "192.0.2.1"), 2, "full"), Quota(("all", ""), 3, "full")
OTHER = Quota(("address", "192.0.2.2"), 2, "full")


def test_connection_beyond_a_limit_is_refused_and_not_counted() -> None:
    admission = Admission()
    for _ in range(2):
        admission.enter([LARGE, SMALL])
    for _ in range(5):
        with pytest.raises(TooManyRequests, match="full"):
            admission.enter([LARGE, SMALL])
    admission.enter([LARGE, OTHER])
    with pytest.raises(TooManyRequests):
        admission.enter([LARGE, OTHER])


def test_connection_that_ends_makes_room_for_another() -> None:
    admission = Admission()
    for _ in range(10):
        admission.enter([LARGE, SMALL])
        admission.leave([LARGE, SMALL])
    admission.enter([SMALL])
    admission.enter([SMALL])
