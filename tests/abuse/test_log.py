"""The log under fire: what strangers send must neither hold a service up nor drive out what was written before."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from support.abuse.honest import honest_user_beside
from support.abuse.stack import ATTACKER, AttackedStack

_AT_ONCE = 8


def refused(stack: AttackedStack, path: str) -> int:
    """The status of an anonymous request by an attacker."""
    with stack.client(source=ATTACKER) as http:
        return http.get(path).status_code


@pytest.mark.parametrize("word", ["otp", "token_", "1"])
def test_long_paths_made_for_the_log_hold_nobody_up(stack: AttackedStack, word: str) -> None:
    path = "/user/" + (word * 16_000)[:16_000]
    with honest_user_beside(stack), ThreadPoolExecutor(_AT_ONCE) as pool:
        statuses = list(pool.map(partial(refused, stack), [path] * _AT_ONCE))
    assert set(statuses) == {404}
