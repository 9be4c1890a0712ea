"""What the engine says of containers, in the words that both drivers use."""

from collections.abc import Sequence

from vserver.stack.compose.document import SECRETS
from vserver.stack.compose.engine import Container
from vserver.stack.driver import ComponentStatus, StackStatus, State
from vserver.stack.plan import ComponentName, Plan, in_starting_order, kind_of

ONE_SHOTS = frozenset({SECRETS, "migrate"})
_FINE: frozenset[State] = frozenset({"running", "done"})
_ALIVE = frozenset({"running", "restarting", "paused"})
_HEALTH: dict[str | None, State] = {"starting": "starting", "unhealthy": "unhealthy"}


def stack_status(containers: Sequence[Container], plan: Plan | None = None) -> StackStatus:
    """How a stack is; with the plan, a component whose container is gone is seen to be missing."""
    found = {one.service: one for one in containers}
    expected: list[ComponentName] = sorted(filter(kind_of, found), key=in_starting_order)
    if plan is not None:
        expected = [part.name for part in plan.components]
    components = tuple(component_status(name, found.get(name)) for name in expected)
    if not any(one.state in _ALIVE for one in containers):
        return StackStatus("compose", "stopped", components if containers else ())
    fine = all(one.state in _FINE for one in components)
    return StackStatus(
        "compose",
        "running" if fine else "degraded",
        components,
        address=found["gateway"].labels.get("dataquality.address") if "gateway" in found else None,
        remedy="" if fine else "vserver start",
    )


def component_status(name: ComponentName, container: Container | None) -> ComponentStatus:
    """How one component is."""
    if container is None:
        return ComponentStatus(name, "stopped", "it has no container")
    match container.state:
        case "running":
            return ComponentStatus(name, _HEALTH.get(container.health, "running"), pid=container.pid)
        case "restarting":
            return ComponentStatus(name, "failed", f"it ends with exit code {container.exit_code} again and again")
        case "exited" if container.service in ONE_SHOTS and container.exit_code == 0:
            return ComponentStatus(name, "done")
        case "exited" if container.exit_code == 0 or container.service not in ONE_SHOTS:
            return ComponentStatus(name, "stopped", f"it ended with exit code {container.exit_code}")
        case "exited" | "dead":
            return ComponentStatus(name, "failed", f"it ended with exit code {container.exit_code}")
        case "created":
            return ComponentStatus(name, "stopped", "it has not been started yet")
        case other:
            return ComponentStatus(name, "stopped", f"its container is {other}")
