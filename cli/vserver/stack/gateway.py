"""The gateway's configuration (a Caddyfile), the same under both drivers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ServiceName = Literal["auth", "entity", "dispatch"]

HEALTH_PATH = "/gateway-health"

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
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_SAFE = re.compile(r"[A-Za-z0-9_.\-~/:\[\]%@]+")


@dataclass(frozen=True)
class Listening:
    """Where the gateway listens: one port, on all addresses of its host or on one."""

    port: int
    ip: str | None = None


def caddyfile(
    listening: Listening,
    api_path: str,
    upstreams: Mapping[ServiceName, str],
    trusted_proxies: Sequence[str] = (),
) -> str:
    """The text of the Caddyfile; `upstreams` names each service's `host:port`."""
    lines = [
        *_global_options(trusted_proxies),
        "",
        f":{listening.port} {{",
        *_indent([*_listen(listening), *_every_reply(), "", *_routes(api_path, upstreams), "", *_errors()]),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _global_options(trusted_proxies: Sequence[str]) -> list[str]:
    trusted = f"trusted_proxies static {' '.join(map(_token, trusted_proxies))}"
    return [
        "{",
        *_indent(
            [
                "admin off",
                "auto_https off",
                "persist_config off",
                "grace_period 10s",
                # Behind a proxy that terminates TLS the client's address and scheme are what that proxy says.
                *(["servers {", f"\t{trusted}", "\ttrusted_proxies_strict", "}"] if trusted_proxies else []),
            ]
        ),
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
        "\t-Server",
        "\t-Via",
        "}",
    ]


def _routes(api_path: str, upstreams: Mapping[ServiceName, str]) -> list[str]:
    lines = [
        f"handle {HEALTH_PATH} {{",
        '\trespond "ok" 200',
        "}",
        *_preflight(),
        # The services' servers would answer to other words in plain text.
        f"@unknown not method {' '.join(_METHODS)}",
        "handle @unknown {",
        f'\theader Allow "{", ".join(_METHODS)}"',
        *_indent(_message("There is no such method.", "405")),
        "}",
        "handle /socket.io/* {",
        *_indent(_proxy(upstreams["dispatch"], sticky=True)),
        "}",
    ]
    for service, paths in ROUTES.items():
        lines += [
            f"@{service} path {' '.join(_token(api_path) + path for path in paths)}",
            f"handle @{service} {{",
            *_indent(_proxy(upstreams[service], sticky=service == "dispatch")),
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


def _proxy(upstream: str, *, sticky: bool) -> list[str]:
    return [
        f"reverse_proxy {_token(upstream)} {{",
        *(["\tlb_policy cookie"] if sticky else []),
        # Only a failed dial is tried again for requests that change something: nothing was sent yet.
        "\tlb_try_duration 3s",
        "\tlb_try_interval 100ms",
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
