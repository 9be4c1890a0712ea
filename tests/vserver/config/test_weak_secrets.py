"""Secrets that are easy to guess, and those that are not."""

import secrets
import uuid

import pytest

from vserver.config.weak_secrets import weakness


@pytest.mark.parametrize(
    "secret",
    [
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",  # Flask's documentation
        "your-256-bit-secret",  # jwt.io
        "a-string-secret-at-least-256-bits-long",  # jwt.io
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",  # RFC 7515
        "super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase
        "django-insecure-5#h1qb@7&r3w=z!k0^t(u8e$2f)x4m6n9p_c*v-d",
        "Your Super Secret Key, Change Me Before Production!",
    ],
)
def test_published_example_is_weak(secret: str) -> None:
    for one in (secret, secret.upper(), f" {secret}\n"):
        assert weakness(one) == "it is a placeholder that everybody knows"


@pytest.mark.parametrize("form", ["{}", "{{{}}}", "urn:uuid:{}"])
def test_uuid_is_weak_in_every_form(form: str) -> None:
    for one in (uuid.uuid4(), uuid.uuid1()):
        assert "it is a UUID" in str(weakness(form.format(one)))
        assert "it is a UUID" in str(weakness(str(one).upper()))
        assert "it is a UUID" in str(weakness(one.hex))


@pytest.mark.parametrize(
    "secret",
    ["a" * 64, "ab" * 20, "12345678" * 8, "0123456789" * 5, "abcdefghijkl" * 4, "password" * 5],
)
def test_few_different_characters_are_weak(secret: str) -> None:
    assert weakness(secret) == "it is made of few different characters"


def test_fewer_than_32_bytes_are_weak() -> None:
    assert weakness(secrets.token_urlsafe(32)[:31]) == "it has fewer than 32 bytes"


def test_random_secret_is_strong_in_every_usual_form() -> None:
    for _ in range(300):
        for one in (secrets.token_hex(32), secrets.token_urlsafe(32), str(secrets.randbits(256) | 1 << 255)):
            assert weakness(one) is None, one


def test_long_sentence_is_strong() -> None:
    assert weakness("seven otters carried the violin over a frozen quay") is None
