"""Callers whom an engine gives one address: how the gateway learns that address, and what the operator should know.

What reaches a published port through a process of the engine comes from the bridge's own address: connections from
this machine, IPv6 before an IPv4 bridge, and under a rootless engine all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from vserver.stack.gateway import HOST_ADDRESS
from vserver.stack.placement import names_this_machine
from vserver.stack.plan import Published

# The kernel writes addresses backwards in hexadecimal; the gateway's only default route leads to the bridge.
_COMMAND = f"""\
bridge=$(awk '$2 == "00000000" && $3 != "00000000" {{ print $3; exit }}' /proc/net/route)
if [ -n "$bridge" ]; then
  bytes=$(echo "$bridge" | sed 's/\\(..\\)\\(..\\)\\(..\\)\\(..\\)/0x\\4 0x\\3 0x\\2 0x\\1/')
  {HOST_ADDRESS}=$(printf '%d.%d.%d.%d' $bytes)
  export {HOST_ADDRESS}
fi
exec caddy run --config /etc/caddy/Caddyfile --adapter caddyfile
"""
COMMAND = ["sh", "-c", _COMMAND]
"""Starts the gateway with the address of its bridge, which may be another after each start of the network."""

_PROXY = "Put a reverse proxy on this machine in front, with `ip: 127.0.0.1` and `trusted_proxies: [127.0.0.1]`."


@dataclass(frozen=True)
class Publishing:
    """How a server is published, as far as callers' addresses go."""

    published: Published
    trusted_proxies: Sequence[str]
    is_for_others: bool
    """Whether it is more than a trial on one's own machine."""
    gives_one_address: bool
    """Whether the engine passes every connection through a process of its own (rootless, Docker Desktop)."""

    def warnings(self) -> tuple[str, ...]:
        """What the operator should change so that callers can be told apart; nothing where they can."""
        ip = ip_address(self.published.ip)
        names_us = names_this_machine(self.trusted_proxies)
        if ip.is_loopback and names_us:
            return ()
        if names_us:
            return (
                f"trusted_proxies names this machine, but the server listens on {ip}, where Docker can give others the "
                "same address: that proxy is not believed. Set `ip: 127.0.0.1`.",
            )
        if self.gives_one_address:
            return (f"This Docker engine gives all callers one address: no limit holds by address. {_PROXY}",)
        if ip.version == 6 and not ip.is_loopback:
            return (f"Docker gives all callers over IPv6 one address: no limit holds for it. {_PROXY}",)
        if ip.is_loopback and self.is_for_others:
            return (
                f"Callers of {ip} have one address under Docker: no limit holds by address. Name your reverse proxy: "
                "`trusted_proxies: [127.0.0.1]`.",
            )
        return ()
