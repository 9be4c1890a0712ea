"""The plan of a stack, from real configurations, at both sites."""

import json
from pathlib import Path, PurePosixPath

import pytest

from vserver.config.instance import Found, find_instance
from vserver.errors import CommandError, ExitCode
from vserver.stack.build import Overrides, build_plan
from vserver.stack.placement import ComposeSite, LocalSite, Store
from vserver.stack.plan import Gateway, Plan, Postgres, Published, PythonModule

PORTS: dict[Store, int] = {"postgres": 7001, "redis": 7002}
SOCKETS = Path("/run/sockets")
JWT = "a-signing-secret-of-more-than-32-bytes-for-tests"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


def found(home: Path, keys: str = "", environment: str = "dev") -> Found:
    file = home / "server.yaml"
    file.write_text(f"environments:\n  {environment}:\n    port: 5010\n{keys}")
    return find_instance(None, file, None, "user")


def local(item: Found, overrides: Overrides | None = None) -> Plan:
    place = item.instance.data_folder
    site = LocalSite(PORTS, place, item.instance.log_folder, place / "run" / "secrets", SOCKETS)
    return build_plan(item.instance, item.loaded.settings, site, overrides)


def compose(item: Found) -> Plan:
    return build_plan(item.instance, item.loaded.settings, ComposeSite(item.instance.data_folder))


def test_without_a_uri_the_stack_brings_its_own_postgres(home: Path) -> None:
    item = found(home)
    for plan, place in ((local(item), "127.0.0.1:7001"), (compose(item), "postgres:5432")):
        assert plan.components[0].name == "postgres"
        assert "postgres_password" in plan.secrets.generated
        owner = f"postgresql+psycopg://dataquality:{{postgres_password}}@{place}/dataquality"
        role = "dataquality_application"
        application = f"postgresql+psycopg://{role}:{{postgres_password|{role}}}@{place}/dataquality"
        assert plan.secrets.derived["owner_database_url"] == owner
        assert plan.secrets.derived["database_url"] == application
        assert [part.name for part in plan.components if "owner_database_url" in part.secrets] == ["migrate"]
        assert plan.component("migrate").needs == ("postgres", "redis")


@pytest.mark.parametrize(
    ("uri", "locally", "composed"),
    [
        ("sqlite:///a.sqlite", "sqlite:////{data}/a.sqlite", "sqlite:////data/a.sqlite"),
        ("sqlite:///sub/a.sqlite", "sqlite:////{data}/sub/a.sqlite", "sqlite:////data/sub/a.sqlite"),
        ("postgresql://u:p%40@db.example/x", "postgresql+psycopg://u:p%40@db.example/x", None),
        ("postgres://u:p@db.example:5433/x?sslmode=require",
         "postgresql+psycopg://u:p@db.example:5433/x?sslmode=require", None),
    ],
)  # fmt: skip
def test_a_uri_is_what_the_services_are_given(home: Path, uri: str, locally: str, composed: str | None) -> None:
    item = found(home, f"    uri: {uri}\n")
    data = str(item.instance.data_folder).lstrip("/")
    assert local(item).secrets.given["database_url"] == locally.format(data=data)
    assert compose(item).secrets.given["database_url"] == (composed or locally)
    assert "postgres" not in [part.name for part in local(item).components]
    assert local(item).component("migrate").needs == ("redis",)


def test_an_absolute_sqlite_file_works_locally_and_in_containers_only_inside_the_data_folder(home: Path) -> None:
    item = found(home, "    uri: sqlite:////srv/a.sqlite\n")
    assert local(item).secrets.given["database_url"] == "sqlite:////srv/a.sqlite"
    with pytest.raises(CommandError, match="lies outside the data folder") as caught:
        compose(item)
    assert caught.value.exit_code == ExitCode.USAGE
    inside = found(home, f"    uri: sqlite:///{item.instance.data_folder}/a.sqlite\n")
    assert compose(inside).secrets.given["database_url"] == "sqlite:////data/a.sqlite"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_a_loopback_database_is_refused_where_it_would_be_the_container_itself(home: Path, host: str) -> None:
    item = found(home, f"    uri: postgresql://u:p@{host}/x\n")
    assert host in local(item).secrets.given["database_url"]
    with pytest.raises(CommandError, match="the container itself"):
        compose(item)


def test_no_secret_of_the_configuration_is_in_an_environment_or_in_the_plans_text(home: Path) -> None:
    item = found(home, f"    uri: postgresql://u:hidden@db.example/x\n    jwt_secret_key: {JWT}\n")
    plan = local(item)
    assert plan.secrets.given["jwt_secret_key"] == JWT
    assert "hidden" not in repr(plan)
    assert JWT not in repr(plan)


def test_each_component_has_only_its_own_secrets(home: Path) -> None:
    plan = local(found(home))
    readers = {part.name: set(part.secrets) for part in plan.components}
    # It holds each against the fingerprint in the database, before anything else of ours runs.
    assert readers.pop("migrate") >= set(plan.secrets.generated)
    assert [name for name, secrets in readers.items() if "jwt_secret_key" in secrets] == ["auth", "entity", "dispatch"]
    assert [name for name, secrets in readers.items() if "reset_key" in secrets] == ["auth"]
    assert [name for name, secrets in readers.items() if "postgres_password" in secrets] == ["postgres"]
    assert readers["gateway"] == set()


def test_the_options_of_start_win_over_the_configuration(home: Path) -> None:
    plan = local(found(home, "    image: theirs:1\n"), Overrides(port=5999, ip="127.0.0.9", image="mine:2"))
    assert plan.component("gateway").published == Published("127.0.0.9", 5999)
    assert plan.image == "mine:2"
    assert local(found(home, "    image: theirs:1\n")).image == "theirs:1"


def test_the_gateway_listens_where_it_is_published_or_behind_a_fixed_port(home: Path) -> None:
    item = found(home, "    ip: 127.0.0.1\n")
    here, there = local(item).component("gateway"), compose(item).component("gateway")
    assert (here.port, there.port) == (5010, 8080)
    assert here.published == there.published == Published("127.0.0.1", 5010)
    assert isinstance(here.program, Gateway)
    assert isinstance(there.program, Gateway)
    assert "bind 127.0.0.1" in here.program.caddyfile
    assert "bind" not in there.program.caddyfile
    assert "reverse_proxy auth:8000" in there.program.caddyfile


def test_the_services_are_told_what_the_configuration_says(home: Path) -> None:
    item = found(
        home,
        """\
    api_path: /sub/api
    allow_drop_all: true
    token_expires_hours: 2
    refresh_token_expires_hours: 3
    email_token_validity_minutes: 9
    password_policy: {max_failed_attempts: 4, inactivation_minutes: 8}
    two_factor_auth: true
    trusted_proxies: [10.0.0.0/8]
    support_email: help@server.example
    workers: 3
    lost_runs: {after_minutes: 30, then: offer_again, offers: 5}
    logging: {level: DEBUG, file: own.log, backup_count: 7, max_size: 99, use_console: false,
              loggers: [{name: celery, level: WARNING}]}
""",
        "acc",
    )
    plan = local(item)
    told = plan.component("auth").environment
    data = item.instance.data_folder
    expected = {
        "COMPONENT": "auth", "SOCKETS": "/run/sockets", "API_PATH": "/sub/api", "ENVIRONMENT": "acc",
        "INSTANCE": item.instance.id, "SECRETS": str(data / "run" / "secrets" / "auth"),
        "AUTH_URL": "http://auth", "ENTITY_URL": "http://entity",
        "DISPATCH_URL": "http://dispatch", "WORKERS": "3", "ALLOW_DROP_ALL": "true",
        "ACCESS_TOKEN_HOURS": "2.0", "REFRESH_TOKEN_HOURS": "3.0", "EMAIL_TOKEN_MINUTES": "9",
        "MAX_FAILED_ATTEMPTS": "4", "INACTIVATION_MINUTES": "8", "SUPPORT_EMAIL": "help@server.example",
        "TWO_FACTOR_AUTH": "true",
        "LOST_RUNS__AFTER_MINUTES": "30", "LOST_RUNS__THEN": "offer_again", "LOST_RUNS__OFFERS": "5",
        "LOGGING__LEVEL": "DEBUG", "LOGGING__FILE": str(item.instance.log_folder / "own.log"),
        "LOGGING__USE_CONSOLE": "false", "LOGGING__BACKUP_COUNT": "7", "LOGGING__MAX_SIZE": "99",
    }  # fmt: skip
    assert {name: told[f"DATAQUALITY_{name}"] for name in expected} == expected
    assert json.loads(told["DATAQUALITY_TRUSTED_PROXIES"]) == ["10.0.0.0/8"]
    assert json.loads(told["DATAQUALITY_LOGGING__LOGGERS"]) == [{"name": "celery", "level": "WARNING"}]
    inside = compose(item).component("auth").environment
    assert PurePosixPath(inside["DATAQUALITY_LOGGING__FILE"]) == PurePosixPath("/logs/own.log")
    assert inside["DATAQUALITY_ENTITY_URL"] == "http://entity:8000"


MAIL = """\
    smtp: {server: mail.example, port: 465, username: me@mail.example, password: hidden-one, MAIL_USE_SSL: true,
           ca_certificates: "-----BEGIN CERTIFICATE----- hidden-two"}
"""


def test_the_services_know_the_mail_server_and_the_worker_alone_its_secrets(home: Path) -> None:
    for plan in (local(found(home, MAIL)), compose(found(home, MAIL))):
        told = plan.component("worker").environment
        expected = {"SERVER": "mail.example", "PORT": "465", "USERNAME": "me@mail.example"}
        expected |= {"USE_TLS": "false", "USE_SSL": "true"}
        assert {name: told[f"DATAQUALITY_SMTP__{name}"] for name in expected} == expected
        assert told["DATAQUALITY_SUPPORT_EMAIL"] == "me@mail.example"
        assert (plan.secrets.given["smtp_password"], plan.secrets.given["smtp_ca"][:5]) == ("hidden-one", "-----")
        readers = [part.name for part in plan.components if {"smtp_password", "smtp_ca"} & set(part.secrets)]
        assert readers == ["worker"]
        assert "hidden-" not in repr(plan)


def test_without_a_password_or_a_mail_server_there_is_no_secret_for_one(home: Path) -> None:
    for keys in ("", "    smtp: {server: mail.example}\n"):
        plan = local(found(home, keys))
        assert not {"smtp_password", "smtp_ca"} & {*plan.secrets.given, *plan.component("worker").secrets}
    assert not any("SMTP" in name for name in local(found(home)).component("auth").environment)


def test_a_mail_server_on_loopback_is_refused_where_it_would_be_the_container_itself(home: Path) -> None:
    item = found(home, "    smtp: {port: 25}\n")
    assert local(item).component("worker").environment["DATAQUALITY_SMTP__SERVER"] == "localhost"
    with pytest.raises(CommandError, match=r"smtp\.server: localhost is, seen from a container, the container itself"):
        compose(item)


def test_access_tokens_last_a_day_in_an_environment_of_type_test(home: Path) -> None:
    told = local(found(home, "    type: test\n")).component("auth").environment
    assert told["DATAQUALITY_ACCESS_TOKEN_HOURS"] == "24.0"


def test_components_need_only_what_stands_before_them(home: Path) -> None:
    for plan in (local(found(home)), compose(found(home))):
        names = [part.name for part in plan.components]
        for part in plan.components:
            assert all(names.index(need) < names.index(part.name) for need in part.needs)
        with pytest.raises(KeyError):
            local(found(home, "    uri: sqlite:///a.sqlite\n")).component("postgres")


def test_the_memory_of_dispatch_follows_from_the_largest_body(home: Path) -> None:
    for keys, largest in (("", 256), ("    max_body_mib: 16\n", 16)):
        dispatch = compose(found(home, keys)).component("dispatch")
        assert dispatch.environment["DATAQUALITY_MAX_BODY_MIB"] == str(largest)
        # Two that arrive; received, parsed, on its way to and from the database, rendered: nine copies more.
        assert dispatch.memory_mib == 512 + 11 * largest


def test_there_are_as_many_instances_of_dispatch_as_the_configuration_says(home: Path) -> None:
    item = found(home, "    dispatch_instances: 3\n")
    names = ["dispatch", "dispatch-2", "dispatch-3"]
    plan = compose(item)
    parts = [part for part in plan.components if part.name.startswith("dispatch")]
    assert [part.name for part in parts] == names
    for part in parts:
        assert part.program == PythonModule("dataquality.dispatch")
        assert part.environment["DATAQUALITY_COMPONENT"] == part.name
        assert (part.memory_mib, part.secrets) == (parts[0].memory_mib, parts[0].secrets)
    gateway = plan.component("gateway")
    assert gateway.needs == ("auth", "entity", *names)
    assert isinstance(gateway.program, Gateway)
    assert "reverse_proxy dispatch:8000 dispatch-2:8000 dispatch-3:8000 {" in gateway.program.caddyfile
    # The other services may ask any of them.
    told = plan.component("entity").environment
    assert told["DATAQUALITY_DISPATCH_URL"] == "http://dispatch:8000"
    more = ["http://dispatch-2:8000", "http://dispatch-3:8000"]
    assert json.loads(told["DATAQUALITY_DISPATCH_MORE_URLS"]) == more


def test_each_instance_has_a_socket_of_its_own_on_this_machine(home: Path) -> None:
    item = found(home, "    dispatch_instances: 2\n    uri: sqlite:///a.sqlite\n")
    site = LocalSite(PORTS, item.instance.data_folder, item.instance.log_folder, Path("/s"), SOCKETS)
    plan = build_plan(item.instance, item.loaded.settings, site)
    assert plan.component("dispatch-2").socket == PurePosixPath("/run/sockets/dispatch-2.sock")
    assert plan.component("dispatch-2").port is None
    gateway = plan.component("gateway").program
    assert isinstance(gateway, Gateway)
    assert "unix//run/sockets/dispatch.sock unix//run/sockets/dispatch-2.sock" in gateway.caddyfile
    assert plan.component("dispatch-2").environment["DATAQUALITY_SECRETS"] == "/s/dispatch-2"


def test_the_database_takes_as_many_connections_as_the_parts_may_open(home: Path) -> None:
    for keys, least in (("", 200), ("    dispatch_instances: 16\n    workers: 64\n", (2 + 16) * 20 + 64)):
        program = compose(found(home, keys)).component("postgres").program
        assert isinstance(program, Postgres)
        assert program.connections >= least
