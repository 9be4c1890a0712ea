"""Callers whom an engine gives one address: whom the gateway believes, and what `start` warns of."""

from pathlib import Path

import pytest

from support.compose import configuration, plan_of
from vserver.stack.compose.bridge import Publishing
from vserver.stack.gateway import HOST_ADDRESS
from vserver.stack.plan import Gateway, Published


def warned(ip: str, *proxies: str, is_for_others: bool = True, gives_one_address: bool = False) -> str:
    return " ".join(Publishing(Published(ip, 5000), proxies, is_for_others, gives_one_address).warnings())


@pytest.mark.parametrize("engine_hides", [False, True])
@pytest.mark.parametrize("proxy", ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0"])
@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_proxy_on_this_machine_needs_no_warning(ip: str, proxy: str, engine_hides: bool) -> None:
    assert warned(ip, "192.0.2.1", proxy, gives_one_address=engine_hides) == ""


@pytest.mark.parametrize(
    ("warning", "part"),
    [
        (warned("0.0.0.0"), ""),
        (warned("192.0.2.1", "192.0.2.7"), ""),
        (warned("127.0.0.1", is_for_others=False), ""),
        (warned("127.0.0.1"), "trusted_proxies: [127.0.0.1]"),
        (warned("127.0.0.1", "192.0.2.1"), "trusted_proxies: [127.0.0.1]"),
        (warned("0.0.0.0", "127.0.0.1"), "Set `ip: 127.0.0.1`"),
        (warned("::", "::1"), "Set `ip: 127.0.0.1`"),
        (warned("::"), "over IPv6"),
        (warned("2001:db8::1", is_for_others=False), "over IPv6"),
        (warned("0.0.0.0", gives_one_address=True), "all callers one address"),
        (warned("127.0.0.1", is_for_others=False, gives_one_address=True), "all callers one address"),
    ],
)
def test_warning_says_what_to_change(warning: str, part: str) -> None:
    assert part in warning
    assert bool(part) is bool(warning)


@pytest.mark.parametrize(
    ("keys", "is_believed"),
    [
        ("ip: 127.0.0.1\ntrusted_proxies: [127.0.0.1]", True),
        ("ip: 127.0.0.1", False),
        ("ip: 127.0.0.1\ntrusted_proxies: [192.0.2.1]", False),
        ("ip: 0.0.0.0\ntrusted_proxies: [127.0.0.1]", False),
        ('ip: "::"\ntrusted_proxies: ["::1"]', False),
    ],
)
def test_bridge_is_believed_only_where_a_proxy_on_this_machine_alone_can_have_it(
    tmp_path: Path, keys: str, is_believed: bool
) -> None:
    program = plan_of(configuration(tmp_path, keys)).component("gateway").program
    assert isinstance(program, Gateway)
    trusted = [line for line in program.caddyfile.splitlines() if "trusted_proxies static" in line]
    assert any(HOST_ADDRESS in line for line in trusted) is is_believed
