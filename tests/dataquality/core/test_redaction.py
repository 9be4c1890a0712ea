"""What it costs to look for secrets, whatever a stranger sends: see test_logs.py for what is found."""

import time

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from dataquality.core.redaction import Redactor

_SHORT, _TIMES = 4096, 8
_FRAGMENTS = [
    *("otp", "token", "api_key", "password", "secret", "mfa_code", "pepper", "authorization", "cookie", "x-api-key"),
    *("bearer", "basic", "eyJ", "://", "user", "k", "_", "-", ".", "/", ":", "@", "=", ",", ";", "&", " ", "\t", "\n"),
    *("'", '"', "\\", "\\\\", "b'", "***", "(", ")", "0", "é"),
]


def seconds(redactor: Redactor, text: str) -> float:
    """Of this thread alone; the best of several tries, since others use the machine too."""
    taken: list[float] = []
    for _ in range(4):
        before = time.thread_time()
        redactor(text)
        taken.append(time.thread_time() - before)
    return min(taken)


@settings(max_examples=150, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(
    unit=st.lists(st.sampled_from(_FRAGMENTS), min_size=1, max_size=6).map("".join), opening=st.sampled_from(_FRAGMENTS)
)
@example(unit="otp", opening="")
@example(unit="token_", opening="/user/")
@example(unit="a-", opening="otp")
@example(unit="\\", opening="password")
@example(unit="\\", opening="password':\\\\\"")
@example(unit=" ", opening="bearer")
@example(unit="password': \"", opening="'")
@example(unit="://a:", opening="")
def test_work_grows_no_faster_than_the_text(unit: str, opening: str) -> None:
    redactor = Redactor(["s3cret/of+this=process!", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"])
    short, long = ((opening + unit * size)[:size] for size in (_SHORT, _SHORT * _TIMES))
    # Eight times the text may take sixteen times as long; what is quadratic takes sixty-four times.
    assert seconds(redactor, long) < 2 * _TIMES * seconds(redactor, short) + 0.001


@given(before=st.text(max_size=20), cut=st.integers(min_value=0, max_value=120))
def test_a_text_that_is_cut_ends_with_no_half_of_a_secret(before: str, cut: int) -> None:
    secret = "".join(chr(code) for code in range(ord("!"), ord("~")))
    text = before + secret * 50
    kept = Redactor([secret]).beginning(text, cut)
    assert not any(secret[start : start + 8] in kept for start in range(len(secret) - 7))


@given(length=st.integers(min_value=201, max_value=10_000))
def test_a_text_that_is_cut_keeps_its_beginning(length: int) -> None:
    text = "x" * length
    assert Redactor(["a secret"]).beginning(text, 200) == f"{text[:200]}... ({length - 200} characters more)"
