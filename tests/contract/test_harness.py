"""That the tests of clients notice when a client fails, however it does."""

import pytest

from support.clients import run_client
from support.gateway import Server

TOLD = "import os, signal; tell({'answer': 1}); "


@pytest.mark.parametrize(
    "script",
    ["raise ValueError", "raise SystemExit(1)", TOLD + "os._exit(3)", TOLD + "os.kill(os.getpid(), signal.SIGSEGV)"],
)
def test_a_client_that_fails_is_noticed_also_after_it_told_its_answer(version: str, server: Server, script: str):
    with pytest.raises(AssertionError, match="script failed"):
        run_client(version, script, server=server)
