"""Where a request comes from: only the gateway's own word, and that of proxies that the operator trusts, counts."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataquality.core.addresses import client_address, owner_of

GATEWAY, CLIENT, FORGED, PROXY = "172.18.0.9", "198.51.100.7", "192.0.2.66", "10.0.0.7"
PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([], GATEWAY),
        ([CLIENT], CLIENT),
        ([f"{FORGED}, {CLIENT}"], CLIENT),
        ([FORGED, CLIENT], CLIENT),
        ([f"{CLIENT}, {PROXY}"], CLIENT),
        ([f"{FORGED}, {CLIENT}, {PROXY}"], CLIENT),
        ([f"{FORGED}, {PROXY}, {CLIENT}"], CLIENT),
        ([f"{CLIENT},10.1.1.1,{PROXY}"], CLIENT),
        ([f"{CLIENT}, 2001:db8:1::5"], CLIENT),
        ([PROXY], PROXY),
        ([f"unknown, {PROXY}"], PROXY),
        ([f"{CLIENT}, nonsense, {PROXY}"], PROXY),
        (["nonsense"], GATEWAY),
        ([""], GATEWAY),
        ([f"::ffff:{CLIENT}"], CLIENT),
        ([f"{CLIENT}, ::ffff:{PROXY}"], CLIENT),
    ],
)
def test_the_nearest_address_that_no_trusted_proxy_owns_is_the_client(forwarded: list[str], expected: str) -> None:
    assert client_address(GATEWAY, forwarded, PROXIES) == ip_address(expected)


def test_whoever_reaches_a_service_past_the_gateway_cannot_name_another_address() -> None:
    assert client_address("8.8.8.8", [FORGED], PROXIES) == ip_address("8.8.8.8")


def test_without_trusted_proxies_only_the_gateway_is_believed() -> None:
    assert client_address(GATEWAY, [f"{CLIENT}, {PROXY}"], []) == ip_address(PROXY)


def test_what_comes_over_a_unix_socket_comes_from_the_gateway() -> None:
    assert client_address(None, [CLIENT], []) == ip_address(CLIENT)
    assert client_address(None, [f"{FORGED}, {CLIENT}"], PROXIES) == ip_address(CLIENT)


def test_without_an_address_nobody_knows() -> None:
    assert client_address(None, [], PROXIES) is None
    assert client_address("", [CLIENT], PROXIES) is None


def test_whoever_the_gateway_cannot_tell_from_others_is_unknown() -> None:
    assert client_address(GATEWAY, ["unknown"], PROXIES) is None
    assert client_address(None, [f"{FORGED}, unknown"], PROXIES) is None


@given(forged=st.lists(st.one_of(st.text(max_size=20), st.ip_addresses().map(str)), max_size=4))
@settings(max_examples=50)
def test_nothing_that_a_client_writes_changes_its_address(forged: list[str]) -> None:
    assert client_address(GATEWAY, [*forged, CLIENT], PROXIES) == ip_address(CLIENT)
    assert client_address(GATEWAY, [*forged, f"{CLIENT}, {PROXY}"], PROXIES) == ip_address(CLIENT)


def test_a_network_of_ipv6_counts_as_one_and_an_ipv4_address_by_itself() -> None:
    assert owner_of(ip_address("2001:db8::1")) == owner_of(ip_address("2001:db8::ffff:1"))
    assert owner_of(ip_address("2001:db8::1")) != owner_of(ip_address("2001:db8:0:1::1"))
    assert owner_of(ip_address("192.0.2.1")) != owner_of(ip_address("192.0.2.2"))
