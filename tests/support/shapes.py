"""What clients see of the contract's shapes, and small words for comparing it."""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from support.collaborations import Site

Json = dict[str, Any]


def link(kind: str, identity: int, *methods: str) -> Json:
    """A link object, its methods sorted: their order does not matter."""
    return {"id": identity, "link": f"/api/{kind}/{identity}", "methods": sorted(methods)}


def sorted_link(found: Json) -> Json:
    """A link object that was found, to be compared with `link`."""
    return found | {"methods": sorted(found["methods"])}


def ids(found: Any) -> list[int]:
    """The ids in a list, or in the envelope around one."""
    return [one["id"] for one in (cast(Json, found)["data"] if isinstance(found, dict) else found)]


def each(keys: Iterable[str], value: Any) -> Json:
    """The same value for each key."""
    return dict.fromkeys(keys, value)


def answered(site: Site, task: int, value: Any) -> Json:
    """The site's node does its part of the task, with an answer in the clients' JSON format; the result."""
    [result] = site.open_results(task_id=task)
    content = base64.b64encode(b"json." + json.dumps(value).encode()).decode()
    now = datetime.now(UTC).isoformat()
    body = {"started_at": now, "finished_at": now, "result": content, "log": "done"}
    response = site.api.patch(f"/result/{result['id']}", json=body)
    assert response.status_code == 200, response.text
    return response.json()
