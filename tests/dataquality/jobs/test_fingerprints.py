"""Fingerprints of secrets, and what the database knows by them."""

import secrets
import time

import pytest
from sqlalchemy import text

from dataquality.jobs.fingerprints import Fingerprint
from dataquality.jobs.known_secrets import SecretsOnHand, forget_secrets
from dataquality.jobs.migrate import migrate
from dataquality.jobs.secret_files import Advice, SecretsRefusedError
from support.databases import sync_engine

ONE, OTHER = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


@pytest.mark.parametrize("name", ["service_key", "jwt_secret_key"])
def test_fingerprint_matches_its_value_alone(name: str) -> None:
    kept = Fingerprint.parse(str(Fingerprint.of(name, ONE)))
    assert kept.matches(ONE)
    assert not kept.matches(OTHER)
    assert not kept.matches(ONE[:-1])


def test_two_fingerprints_of_one_value_have_nothing_in_common() -> None:
    first, second = (str(Fingerprint.of("service_key", ONE)).split("$")[1:] for _ in range(2))
    assert not set(first) & set(second)


@pytest.mark.parametrize(("name", "value"), [("jwt_secret_key", "x" * 43), ("service_key", "summer-2026")])
def test_guessing_what_a_person_may_have_chosen_is_slow(name: str, value: str) -> None:
    kept = Fingerprint.of(name, value)
    began = time.process_time()
    kept.matches("a guess")
    assert time.process_time() - began > 0.02


def test_database_refuses_secrets_that_it_does_not_know(empty_database_url: str) -> None:
    migrate(empty_database_url, on_hand=SecretsOnHand({"service_key": ONE, "reset_key": OTHER}))
    migrate(empty_database_url, on_hand=SecretsOnHand({"service_key": ONE, "reset_key": OTHER}))
    with pytest.raises(SecretsRefusedError, match="service_key: another secret: it holds what belongs in reset_key"):
        migrate(empty_database_url, on_hand=SecretsOnHand({"service_key": OTHER, "reset_key": OTHER}))


def test_database_from_before_fingerprints_takes_what_it_is_given_once(database_url: str) -> None:
    migrate(database_url, on_hand=SecretsOnHand({"service_key": ONE}))
    with pytest.raises(SecretsRefusedError, match="not the one that this database was used with"):
        migrate(database_url, on_hand=SecretsOnHand({"service_key": OTHER}))


def test_configured_secret_may_change_and_is_known_from_then_on(empty_database_url: str) -> None:
    advice = Advice(configured=frozenset({"jwt_secret_key"}))
    migrate(empty_database_url, on_hand=SecretsOnHand({"jwt_secret_key": ONE}, advice))
    done = migrate(empty_database_url, on_hand=SecretsOnHand({"jwt_secret_key": OTHER}, advice))
    assert done.changed_secrets == ["jwt_secret_key"]
    assert migrate(empty_database_url, on_hand=SecretsOnHand({"jwt_secret_key": OTHER})).changed_secrets == []


def test_forgotten_secret_may_be_another(empty_database_url: str) -> None:
    migrate(empty_database_url, on_hand=SecretsOnHand({"service_key": ONE}))
    engine = sync_engine(empty_database_url)
    with engine.begin() as connection:
        forget_secrets(connection, ["service_key"])
    migrate(empty_database_url, on_hand=SecretsOnHand({"service_key": OTHER}))


def test_database_holds_no_secret(empty_database_url: str) -> None:
    migrate(empty_database_url, on_hand=SecretsOnHand({"service_key": ONE}))
    with sync_engine(empty_database_url).connect() as connection:
        values = connection.execute(text("SELECT value FROM serverstate")).scalars().all()
    assert not [value for value in values if ONE in value]
