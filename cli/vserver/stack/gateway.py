"""The gateway's configuration (a Caddyfile), the same under both drivers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ServiceName = Literal["auth", "entity", "dispatch"]

HEALTH_PATH = "/gateway-health"

HOST_ADDRESS = "DATAQUALITY_HOST_ADDRESS"
"""A variable of the gateway's own environment: its container's bridge, the address that connections from this machine
have there, and all others that come in through a process of the engine (IPv6 before an IPv4 bridge, rootless engines).
"""
Bridge = Literal["shared", "trusted"]
"""Whether a caller with the bridge's address is nobody in particular, or a proxy that says whom it speaks for."""

# Below the API path. A trailing `/*` stands for everything below, `*` in the middle for one segment.
ROUTES: Mapping[ServiceName, tuple[str, ...]] = {
    "dispatch": (
        "/task",
        "/task/*",
        "/result",
        "/result/*",
        "/kill/*",
        "/port",
        "/port/*",
        "/vpn",
        "/vpn/*",
        "/collaboration/*/task",
    ),
    "entity": (
        "/organization",
        "/organization/*",
        "/collaboration",
        "/collaboration/*",
        "/node",
        "/node/*",
        "/recover/node",
    ),
    "auth": (
        "/token/*",
        "/recover/*",
        "/password/*",
        "/user",
        "/user/*",
        "/role",
        "/role/*",
        "/rule",
        "/rule/*",
        "/health",
        "/version",
        "/openapi.json",
        "/docs",
        "/docs/*",
    ),
}
"""Which service owns which paths; the first that matches wins."""

# What scripts of other origins may read of an answer, beside its body.
_READABLE = ("total-count", "Link", "jwt-token", "Allow", "Retry-After", "X-Request-Id", "Idempotent-Replayed")
_LONGEST_ADDRESS = 16_384
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_SAFE = re.compile(r"[A-Za-z0-9_.\-~/:\[\]%@]+")


@dataclass(frozen=True)
class Listening:
    """Where the gateway listens: one port, on all addresses of its host or on one."""

    port: int
    ip: str | None = None


@dataclass(frozen=True)
class GatewayLog:
    """What the gateway writes to its console: its own troubles, for each request is told of by its service."""

    level: str = "INFO"
    """As Python names it."""
    is_json: bool = False


def caddyfile(
    listening: Listening,
    api_path: str,
    upstreams: Mapping[ServiceName, Sequence[str]],
    trusted_proxies: Sequence[str] = (),
    log: GatewayLog | None = None,
    bridge: Bridge | None = None,
) -> str:
    """The text of the Caddyfile; `upstreams` names the `host:port` of each service's instances, in their order.

    With a `bridge` it stands for the address in the variable `HOST_ADDRESS`.
    """
    trusted = [*map(_token, trusted_proxies), *([_BRIDGE] if bridge == "trusted" else [])]
    lines = [
        *_global_options(trusted, log or GatewayLog()),
        "",
        f":{listening.port} {{",
        *_indent([*_listen(listening), *_every_reply(), *(_CALLER if bridge else [])]),
        "",
        *_indent([*_routes(api_path, upstreams, _FORWARDED if bridge else []), "", *_errors()]),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _global_options(trusted: Sequence[str], log: GatewayLog) -> list[str]:
    return [
        "{",
        *_indent(
            [
                "admin off",
                "auto_https off",
                "persist_config off",
                "grace_period 10s",
                *_log(log),
                "servers {",
                # Far above the longest address that is served: what lies between is answered in our own shape.
                "\tmax_header_size 64KB",
                *(f"\t{line}" for line in _TIMEOUTS),
                # Behind a proxy that terminates TLS the client's address and scheme are what that proxy says.
                *([f"\ttrusted_proxies static {' '.join(trusted)}", "\ttrusted_proxies_strict"] if trusted else []),
                "}",
            ]
        ),
        "}",
    ]


# A connection that sends no complete head of a request is closed, and so is one without a request. A body that stops
# coming for a minute is given up by the gateway's own default (Caddy 2.11.6 and newer; an older one would not start if
# it stood here). The rate of a body is measured by the services: one that waits for its turn must not count as slow.
_TIMEOUTS = [
    "timeouts {",
    "\tread_header 10s",
    "\tidle 2m",
    "}",
]
_LEVELS = {"CRITICAL": "ERROR", "WARNING": "WARN", "NOTSET": "DEBUG"}


def _log(log: GatewayLog) -> list[str]:
    """Without headers and query strings, which hold tokens; short, and few of the same kind at once."""
    return [
        "log {",
        "\toutput stderr",
        f"\tlevel {_LEVELS.get(log.level, log.level)}",
        "\tsampling {",
        "\t\tinterval 20s",
        "\t\tfirst 20",
        "\t\tthereafter 1000",
        "\t}",
        "\tformat filter {",
        f"\t\twrap {'json' if log.is_json else 'console'}",
        "\t\tfields {",
        *(f"\t\t\t{field} delete" for field in ("request>headers", "headers", "resp_headers")),
        '\t\t\trequest>uri regexp "^([^?]{0,200}).*" "$1"',
        '\t\t\trequest>host regexp "^(.{200}).*" "$1"',
        "\t\t}",
        "\t}",
        "}",
    ]


def _listen(listening: Listening) -> list[str]:
    return [f"bind {_token(listening.ip)}"] if listening.ip else []


def _every_reply() -> list[str]:
    return [
        # The id is ours: one that a client sends could be forged to hide among another's log lines.
        "request_header X-Request-Id {http.request.uuid}",
        "header {",
        "\t>X-Request-Id {http.request.uuid}",
        "\t>Access-Control-Allow-Origin *",
        f'\t>Access-Control-Expose-Headers "{", ".join(_READABLE)}"',
        "\t>X-Content-Type-Options nosniff",
        "\t-Server",
        "\t-Via",
        "}",
    ]


_BRIDGE = f"{{${HOST_ADDRESS}:0.0.0.0}}"  # without a bridge an address that nobody has
_CALLER = [
    "map {client_ip} {caller} {",
    f"\t{_BRIDGE} unknown",
    "\tdefault {client_ip}",
    "}",
]
_FORWARDED = ["header_up X-Forwarded-For {caller}"]
"""Only who the caller is: what proxies said of it has been judged here, where the bridge's address is known."""


def _routes(api_path: str, upstreams: Mapping[ServiceName, Sequence[str]], forwarded: Sequence[str]) -> list[str]:
    lines = [
        f"handle {HEALTH_PATH} {{",
        '\trespond "ok" 200',
        "}",
        *_preflight(),
        f"@long expression `size({{http.request.uri}}) > {_LONGEST_ADDRESS}`",
        "handle @long {",
        *_indent(_message(f"The address with its query is longer than {_LONGEST_ADDRESS} characters.", "414")),
        "}",
        # The services' servers would answer to other words in plain text.
        f"@unknown not method {' '.join(_METHODS)}",
        "handle @unknown {",
        f'\theader Allow "{", ".join(_METHODS)}"',
        *_indent(_message("There is no such method.", "405")),
        "}",
        "handle /socket.io/* {",
        *_indent(_sockets(upstreams["dispatch"], forwarded)),
        "}",
    ]
    for service, paths in ROUTES.items():
        policy = [] if len(upstreams[service]) == 1 else ["lb_policy least_conn"]
        lines += [
            f"@{service} path {' '.join(_token(api_path) + path for path in paths)}",
            f"handle @{service} {{",
            *_indent(_proxy(upstreams[service], [*policy, *forwarded])),
            "}",
        ]
    return [*lines, "handle {", *_indent(_message("There is nothing at this address.", "404")), "}"]


def _preflight() -> list[str]:
    """A browser asks before it sends a token; the answer is the same for every path."""
    return [
        "@preflight {",
        "\tmethod OPTIONS",
        "\theader Access-Control-Request-Method *",
        "\theader Origin *",
        "}",
        "handle @preflight {",
        f'\theader Access-Control-Allow-Methods "{", ".join(_METHODS)}"',
        "\theader Access-Control-Allow-Headers {http.request.header.Access-Control-Request-Headers}",
        '\theader Vary "Access-Control-Request-Headers"',
        "\trespond 204",
        "}",
    ]


def _sockets(instances: Sequence[str], forwarded: Sequence[str]) -> list[str]:
    """A new connection goes where its cookie says, else to the instance that has fewest.

    Until it is a web socket it is many requests, which only the instance that began it understands. Some clients keep
    no cookies (those of pages of other origins; some, where the host is an IP address). So the instances begin the id
    of a connection with their own number, and what carries such an id goes to that instance.
    """
    if len(instances) == 1:
        return _proxy(instances, ["lb_policy cookie", *forwarded])
    lines: list[str] = []
    for number, instance in enumerate(instances, 1):
        matcher = f"@connection-{number}"
        lines += [
            f"{matcher} `{{http.request.uri.query.sid}}.startsWith('{number}-')`",
            # A connection ends with its instance: the client hears it at once, and makes a new one.
            f"reverse_proxy {matcher} {_token(instance)} {{",
            *_indent([*forwarded, *_TRANSPORT]),
            "}",
        ]
    return [*lines, *_proxy(instances, ["lb_policy cookie {", "\tfallback least_conn", "}", *forwarded])]


def _proxy(instances: Sequence[str], policy: Sequence[str]) -> list[str]:
    return [
        f"reverse_proxy {' '.join(map(_token, instances))} {{",
        *_indent([*policy, *(_HEALTH if len(instances) > 1 else []), *_TRANSPORT]),
        # Only a failed dial is tried again for requests that change something: nothing was sent yet.
        "\tlb_try_duration 3s",
        "\tlb_try_interval 100ms",
        "}",
    ]


# One that hangs takes connections and does not answer; one that died refuses them. Not asked is whether it is ready:
# where the database is away, all are not, and each can say so better than the gateway.
_HEALTH = [
    "health_uri /internal/live",
    "health_interval 1s",
    "health_timeout 3s",
    "health_fails 2",
    "fail_duration 1s",
]
# Seconds that a connection without a request is kept. After the network was away it may lead nowhere, and whatever is
# sent there waits for ever; a new one costs next to nothing.
_TRANSPORT = [
    "transport http {",
    "\tdial_timeout 1s",
    "\tkeepalive 1s",
    "}",
]


def _errors() -> list[str]:
    text = "The service behind this address does not answer just now. Try again in a moment."
    return [
        "handle_errors {",
        *_indent([*_every_reply()[1:], *_message(text, "{err.status_code}", "unavailable")]),
        "}",
    ]


def _message(text: str, status: str, code: str = "http_error") -> list[str]:
    return ["header Content-Type application/json", f'respond `{{"msg": "{text}", "code": "{code}"}}` {status}']


def _indent(lines: list[str]) -> list[str]:
    return [f"\t{line}" if line else line for line in lines]


def _token(text: str) -> str:
    """The text as one word of the Caddyfile; what could break out of it never gets there."""
    if not _SAFE.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand in the gateway's configuration: unexpected characters")
    return text
