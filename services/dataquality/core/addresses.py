"""Where a request comes from.

A service is reached through the gateway only: over a Unix socket that only the stack's account can enter, or over the
stack's own network. The gateway says at the end of `X-Forwarded-For` whom it heard from; what stands before that is
believed only while it was said by one of the operator's own proxies (`trusted_proxies`). So nobody can name an address
that is not theirs. Where many callers have one address at the gateway, it says `unknown`.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from fastapi import Depends, Request

from dataquality.core.context import context_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Whoever has one address of a /64 has them all.
_ONE_OWNER = 64
_UNKNOWN = "unknown"
"""RFC 7239's word for a caller whose address is not known."""


def client_address(peer: str | None, forwarded: Iterable[str], proxies: Sequence[Network]) -> Address | None:
    """The address of the client behind `peer`, given the lines of `X-Forwarded-For`.

    A peer without an address (None) is the gateway, at the other end of a Unix socket.
    """
    address = None if peer is None else _address(peer)
    if peer is not None and (address is None or address.is_global):
        return address
    texts = ",".join(forwarded).split(",")
    if texts[-1].strip() == _UNKNOWN:
        return None
    for text in reversed(texts):
        said = _address(text.strip())
        if said is None:
            break
        address = said
        if not any(address in network for network in proxies):
            break
    return address


def owner_of(address: Address) -> str:
    """What to count by: the address itself, or the network that an owner of an IPv6 address has."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _ONE_OWNER), strict=False))


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def address_of(request: Request, proxies: Sequence[Network]) -> Address | None:
    """The address of the client that a request comes from; None when nobody knows."""
    peer = request.client.host if request.client else None
    return client_address(peer, request.headers.getlist("x-forwarded-for"), proxies)


async def _client(request: Request) -> Address | None:
    return address_of(request, context_of(request).settings.trusted_proxies)


ClientAddress = Annotated[Address | None, Depends(_client)]
"""The address of the client that a request comes from; None where it is not known, and so is nobody's limit."""
