"""Asks the service in this container whether it is ready: `python -m dataquality.core.probe`.

Exits 0 when GET http://127.0.0.1:$DATAQUALITY_PORT/internal/ready answers 200. Standard library only, and on
`http.client` rather than `urllib.request`: it runs every few seconds in each container and must cost little.
"""

import http.client
import os
import sys

SECONDS = 4
PATH = "/internal/ready"


def probe(port: int) -> str | None:
    """None when the service is ready, else what is wrong, in one line."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", PATH)
        response = connection.getresponse()
        body = response.read(500).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{PATH} does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if response.status == 200 else f"{PATH} answers {response.status}: {body}"


def main() -> int:
    """Run as a program; the health check's log shows the line that it prints."""
    problem = probe(int(os.environ["DATAQUALITY_PORT"]))
    if problem is not None:
        print(problem, file=sys.stderr)  # noqa: T201
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main())
