"""Passwords, by what a stolen table and an older one need of them."""

import asyncio
from pathlib import Path

import bcrypt
import pytest

from dataquality.core.errors import TooManyRequests
from dataquality.core.passwords import PasswordPool, hash_password, hashing_threads, needs_rehash, verify_password


def test_a_password_is_kept_as_argon2id_at_owasps_parameters():
    hashed = hash_password("Secret-1")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify_password(hashed, "Secret-1")
    assert not verify_password(hashed, "secret-1")
    assert not needs_rehash(hashed)


def test_a_bcrypt_hash_of_the_older_server_is_understood_and_due_for_renewal():
    hashed = bcrypt.hashpw(b"Secret-1", bcrypt.gensalt(4)).decode()
    assert verify_password(hashed, "Secret-1")
    assert not verify_password(hashed, "Secret-2")
    assert needs_rehash(hashed)


def test_passwords_that_differ_after_72_bytes_differ():
    hashed = hash_password("x" * 72 + "a")
    assert not verify_password(hashed, "x" * 72 + "b")


@pytest.mark.parametrize("hashed", ["", "plain", "$argon2id$broken", "$2b$broken"])
def test_what_is_no_hash_fits_no_password(hashed: str):
    assert not verify_password(hashed, "plain")


@pytest.mark.parametrize(
    ("cores", "cpu_max", "threads"),
    [(1, None, 1), (2, "", 1), (8, None, 4), (8, "max 100000", 4), (8, "200000 100000", 1), (8, "350000 100000", 2)],
)
def test_hashing_takes_half_of_the_cores(tmp_path: Path, cores: int, cpu_max: str | None, threads: int):
    limit = tmp_path / "cpu.max"
    if cpu_max is not None:
        limit.write_text(cpu_max)
    assert hashing_threads(cores, limit) == threads


async def test_the_pool_hashes_and_checks():
    pool = PasswordPool()
    hashed = await pool.hash("Secret-1")
    assert await pool.verify(hashed, "Secret-1")
    assert not await pool.verify(hashed, "other")
    pool.close()


async def test_whoever_waits_too_long_for_a_full_pool_is_told_to_come_back():
    pool = PasswordPool(workers=1, patience=0.001)
    answers = await asyncio.gather(*(pool.hash("Secret-1") for _ in range(6)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert any(isinstance(answer, str) for answer in answers)
    assert refused
    assert refused[0].headers()["Retry-After"] == "5"
    pool.close()
