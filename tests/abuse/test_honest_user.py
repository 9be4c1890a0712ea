"""The measure itself: an honest user who is held up turns a test red, and one who is not does not."""

import os
import signal
import time

import pytest

from support.abuse.honest import honest_user_beside
from support.abuse.stack import AttackedStack


def test_honest_user_alone_is_in_time(stack: AttackedStack) -> None:
    with honest_user_beside(stack):
        time.sleep(1)


def test_honest_user_who_is_held_up_is_noticed(stack: AttackedStack) -> None:
    process = stack.pids()["auth"]
    with pytest.raises(AssertionError, match="Round"), honest_user_beside(stack):
        os.kill(process, signal.SIGSTOP)
        time.sleep(4)
        os.kill(process, signal.SIGCONT)
