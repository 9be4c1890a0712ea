"""What it costs that services listen on Unix sockets rather than on ports, under the local driver.

    make bench

Asks a service of both kinds for the version, directly and through a gateway; the port is the baseline. Prints a table
and writes bench/results/sockets.json.
"""

import json
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import httpx
from measure import Case, Timing, compare

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.databases import SqliteFiles  # noqa: E402
from support.gateway import behind_gateway  # noqa: E402
from support.services import Services, running_services  # noqa: E402
from support.valkey import ValkeyServer  # noqa: E402


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dq-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        valkey = ValkeyServer(made(folder / "valkey"))
        stack.callback(valkey.stop)
        url = stack.enter_context(SqliteFiles(made(folder / "sqlite")).migrated_database())
        ports = stack.enter_context(running_services(made(folder / "ports"), url, valkey.url, ("auth",)))
        sockets = stack.enter_context(beside(ports, made(folder / "sockets")))
        results = {
            "direct": [asdict(one) for one in shown("direct", direct(ports, made(folder / "sockets")))],
            "through the gateway": [asdict(one) for one in shown("through the gateway", by_gateway(ports, sockets))],
        }
    target = made(HERE / "results") / "sockets.json"
    target.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nAs JSON: {target}")


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def beside(ports: Services, folder: Path) -> Generator[Services]:
    """The same service once more, on a Unix socket."""
    settings = ports.environment | {"DATAQUALITY_SOCKETS": str(folder)}
    addresses = ports.addresses | {"auth": f"unix/{folder}/auth.sock"}
    services = replace(ports, folder=folder, addresses=ports.addresses.copy(), environment=settings, processes={})
    services.start("auth")
    services.addresses.update(addresses)
    try:
        yield services
    finally:
        services.stop()


def direct(ports: Services, folder: Path) -> list[Timing]:
    """Without a gateway."""
    tcp = httpx.Client(base_url=ports.addresses["auth"], trust_env=False)
    transport = httpx.HTTPTransport(uds=str(folder / "auth.sock"), retries=5)
    unix = httpx.Client(base_url="http://auth", transport=transport)
    with tcp, unix:
        return compare(Case("port", lambda: version(tcp)), Case("Unix socket", lambda: version(unix)), calls=100)


def by_gateway(ports: Services, sockets: Services) -> list[Timing]:
    """As clients come."""
    with behind_gateway(ports) as first, behind_gateway(sockets) as second:
        tcp = httpx.Client(base_url=first.url, trust_env=False)
        unix = httpx.Client(base_url=second.url, trust_env=False)
        with tcp, unix:
            return compare(Case("port", lambda: version(tcp)), Case("Unix socket", lambda: version(unix)), calls=100)


def version(client: httpx.Client) -> None:
    answer = client.get("/api/version")
    assert answer.status_code == 200, answer.text


def shown(title: str, timings: list[Timing]) -> list[Timing]:
    print(f"\n{title}")
    for one in timings:
        print(f"  {one.name:<12} {one.seconds * 1000:8.2f} ms   {one.ratio:5.2f}")
    return timings


if __name__ == "__main__":
    main()
