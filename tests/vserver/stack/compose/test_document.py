"""The compose document: who may read, write, reach and do what. No engine is needed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.compose import configuration, document_of
from vserver.stack.compose.document import Image, compose_document_text

OURS = ("migrate", "auth", "entity", "dispatch", "worker", "beat")
PARTS = ("postgres", "redis", "gateway")


@pytest.fixture
def services(tmp_path: Path) -> dict[str, Any]:
    return document_of(configuration(tmp_path))["services"]


def mounts(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["target"]: mount for mount in service["volumes"]}


def specification(services: dict[str, Any]) -> dict[str, Any]:
    command = services["secrets"]["command"]
    return json.loads(command[command.index("--spec") + 1].replace("$$", "$"))


def test_the_stack_has_its_own_database_and_one_service_for_each_component(services: dict[str, Any]) -> None:
    assert set(services) == {"secrets", *OURS, *PARTS}


@pytest.mark.parametrize("reader", [*OURS, "postgres", "redis"])
def test_a_reader_sees_the_secrets_of_no_other(services: dict[str, Any], reader: str) -> None:
    volumes = [mount for mount in services[reader]["volumes"] if mount["source"].startswith("secrets-")]
    assert volumes == [{"type": "volume", "source": f"secrets-{reader}", "target": "/secrets", "read_only": True}]


def test_the_gateway_reads_no_secret(services: dict[str, Any]) -> None:
    assert "/secrets" not in mounts(services["gateway"])


def test_each_reader_gets_what_it_needs_for_its_own_account(services: dict[str, Any]) -> None:
    readers = {Path(one["folder"]).name: one for one in specification(services)["readers"]}
    assert readers["beat"] == {
        "folder": "/secrets/beat", "uid": 10001, "gid": 10001, "names": ["database_url", "redis_url"],
    }  # fmt: skip
    assert readers["postgres"] == {
        "folder": "/secrets/postgres", "uid": 999, "gid": 999, "names": ["postgres_password"],
    }  # fmt: skip
    assert readers["redis"]["names"] == ["redis.conf"]
    assert "gateway" not in readers


@pytest.mark.parametrize("name", ["secrets", *OURS, *PARTS])
def test_no_service_has_a_right_that_it_does_not_need(services: dict[str, Any], name: str) -> None:
    service = services[name]
    needed = {"secrets": ["CHOWN", "DAC_OVERRIDE", "FOWNER"], "gateway": ["NET_BIND_SERVICE"]}
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == needed.get(name, [])
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "mem_limit" in service
    assert service["cpu_quota"] >= service["cpu_period"]
    assert "pids_limit" in service
    assert service["logging"]["options"] == {"max-size": "50m", "max-file": "6"}


@pytest.mark.parametrize("name", [*OURS, *PARTS])
def test_container_may_open_files_for_thousands_of_sockets(services: dict[str, Any], name: str) -> None:
    limit = services[name]["ulimits"]["nofile"]
    # The gateway needs two for each socket. Above 20,000 some machines refuse to start a container.
    assert 2 * 5_000 < limit["soft"] == limit["hard"] <= 20_000


def test_our_containers_run_as_the_account_that_owns_the_folders(tmp_path: Path) -> None:
    services = document_of(configuration(tmp_path), account=(1234, 5678))["services"]
    assert {services[name]["user"] for name in OURS} == {"1234:5678"}
    assert specification(services)["folders"] == [{"folder": "/logs", "uid": 1234, "gid": 5678}]


def test_the_parts_run_as_their_images_users(services: dict[str, Any]) -> None:
    assert services["postgres"]["user"] == "postgres"
    assert services["redis"]["user"] == "redis"
    assert services["secrets"]["user"] == "0:0"
    assert services["gateway"]["user"] == "10002:10002"
    assert [mount for mount in services["gateway"]["volumes"] if mount["type"] == "volume"] == []


def test_the_one_that_lays_secrets_out_has_no_network(services: dict[str, Any]) -> None:
    assert services["secrets"]["network_mode"] == "none"
    assert "networks" not in services["secrets"]


def test_only_the_gateway_is_published_at_the_address_of_the_configuration(tmp_path: Path) -> None:
    services = document_of(configuration(tmp_path, "ip: 127.0.0.1\nport: 5123"))["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["gateway"]
    assert services["gateway"]["ports"] == [
        {"target": 8080, "host_ip": "127.0.0.1", "published": "5123", "protocol": "tcp"}
    ]


def networks_of(document: dict[str, Any]) -> dict[str, list[str]]:
    return {name: service["networks"] for name, service in document["services"].items() if "networks" in service}


def test_gateway_shares_a_network_with_services_alone(tmp_path: Path) -> None:
    document = document_of(configuration(tmp_path, "dispatch_instances: 2"))
    assert networks_of(document) == {
        "postgres": ["back"],
        "redis": ["back"],
        "migrate": ["back"],
        "auth": ["back", "api"],
        "entity": ["back", "api"],
        "dispatch": ["back", "api"],
        "dispatch-2": ["back", "api"],
        "worker": ["back", "outside"],
        "beat": ["back"],
        "gateway": ["api", "front"],
    }
    inside = [name for name, network in document["networks"].items() if network.get("internal")]
    assert inside == ["back", "api"]


def test_mail_and_a_database_of_others_are_reached_by_those_who_need_them(tmp_path: Path) -> None:
    own = document_of(configuration(tmp_path))["services"]
    outside = document_of(configuration(tmp_path, "uri: postgresql://u:p@db.example.org/d"))["services"]
    assert [name for name in OURS if "outside" in own[name]["networks"]] == ["worker"]
    assert [name for name in OURS if "outside" in outside[name]["networks"]] == list(OURS)
    assert "postgres" not in outside
    assert outside["migrate"]["extra_hosts"] == ["host.docker.internal:host-gateway"]


def test_nothing_starts_before_its_secrets_and_what_it_needs(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"] == {
        "secrets": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }
    assert services["auth"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["gateway"]["depends_on"]["dispatch"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", [*OURS, *PARTS])
def test_what_runs_for_good_comes_back_and_is_watched(services: dict[str, Any], name: str) -> None:
    once = name == "migrate"
    assert services[name]["restart"] == ("no" if once else "unless-stopped")
    assert ("healthcheck" in services[name]) is not once
    assert "start_interval" not in services[name].get("healthcheck", {}), "needs an engine newer than 20.10"


def test_no_secret_of_the_configuration_stands_in_the_document(tmp_path: Path) -> None:
    text = """
        jwt_secret_key: a-signing-secret-of-more-than-32-bytes
        uri: postgresql://user:database-password@db.example.org/data
        smtp: {server: mail.example.org, port: 25, username: u@example.org, password: mail-password}
    """
    written = compose_document_text(document_of(configuration(tmp_path, text)), "")
    for secret in ("a-signing-secret-of-more-than-32-bytes", "database-password", "mail-password"):
        assert secret not in written


def test_a_sqlite_file_is_reached_without_what_lies_beside_it(tmp_path: Path) -> None:
    services = document_of(configuration(tmp_path, "uri: sqlite:///a.sqlite"))["services"]
    assert "postgres" not in services
    assert mounts(services["auth"])["/data"]["source"] == "/d"
    hidden = {mount.split(":")[0] for mount in services["auth"]["tmpfs"]}
    assert hidden == {"/tmp", "/data/secrets", "/data/run", "/data/compose"}
    assert {"folder": "/data", "uid": 10001, "gid": 10001} in specification(services)["folders"]


def test_with_postgres_no_component_sees_the_data_folder(services: dict[str, Any]) -> None:
    assert [name for name in OURS if "/data" in mounts(services[name])] == []


def test_what_compose_would_replace_stays_as_it_is_meant(tmp_path: Path) -> None:
    text = 'logging: {format: "$HOME $${PATH} %(message)s"}'
    environment = document_of(configuration(tmp_path, text))["services"]["auth"]["environment"]
    assert environment["DATAQUALITY_LOGGING__FORMAT"] == "$$HOME $${PATH} %(message)s"


def test_our_own_image_is_never_asked_for_at_a_registry(tmp_path: Path) -> None:
    found = configuration(tmp_path)
    own = document_of(found)["services"]
    named = document_of(found, image=Image("registry.example.org/x:1", from_registry=True))["services"]
    assert {own[name]["pull_policy"] for name in ("secrets", *OURS)} == {"never"}
    assert {named[name]["pull_policy"] for name in ("secrets", *OURS)} == {"missing"}
    assert {named[name]["image"] for name in ("secrets", *OURS)} == {"registry.example.org/x:1"}


def test_every_container_says_whose_it_is(tmp_path: Path) -> None:
    services = document_of(configuration(tmp_path), labels={"dataquality.instance": "x"})["services"]
    assert {service["labels"]["dataquality.instance"] for service in services.values()} == {"x"}
    assert {name: service["labels"]["dataquality.component"] for name, service in services.items()} == {
        name: name for name in services
    }


def test_worker_has_a_core_for_each_of_its_processes(tmp_path: Path) -> None:
    services = document_of(configuration(tmp_path, "workers: 8"))["services"]
    assert services["worker"]["cpu_quota"] == 8 * services["worker"]["cpu_period"]


def test_a_changed_gateway_file_replaces_the_gateway(tmp_path: Path) -> None:
    label = "dataquality.caddyfile"
    one = document_of(configuration(tmp_path))["services"]["gateway"]["labels"][label]
    other = document_of(configuration(tmp_path, "api_path: /other"))["services"]["gateway"]["labels"][label]
    assert one != other


@pytest.mark.parametrize(
    ("ip", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:5000/api"),
        ("10.1.2.3", "http://10.1.2.3:5000/api"),
        ('"::"', "http://[::1]:5000/api"),
    ],
)
def test_the_gateway_says_where_the_api_answers(tmp_path: Path, ip: str, address: str) -> None:
    labels = document_of(configuration(tmp_path, f"ip: {ip}"))["services"]["gateway"]["labels"]
    assert labels["dataquality.address"] == address


def test_the_same_plan_always_gives_the_same_text(tmp_path: Path) -> None:
    found = configuration(tmp_path)
    one, other = (compose_document_text(document_of(found), "a\nb") for _ in range(2))
    assert one == other
    assert one.startswith("# a\n# b\nname: ")
    assert yaml.safe_load(one) == document_of(found)


def test_instances_of_one_service_are_services_of_their_own(tmp_path: Path) -> None:
    services = document_of(configuration(tmp_path, "dispatch_instances: 2"))["services"]
    assert set(services) == {"secrets", *OURS, *PARTS, "dispatch-2"}
    first, second = services["dispatch"], services["dispatch-2"]
    assert mounts(second)["/secrets"]["source"] == "secrets-dispatch-2"
    same = ("command", "user", "networks", "mem_limit", "healthcheck", "depends_on", "stop_grace_period")
    assert [second[key] for key in same] == [first[key] for key in same]
    assert services["gateway"]["depends_on"]["dispatch-2"] == {"condition": "service_healthy"}
    readers = {Path(one["folder"]).name: one["names"] for one in specification(services)["readers"]}
    assert readers["dispatch-2"] == readers["dispatch"]
