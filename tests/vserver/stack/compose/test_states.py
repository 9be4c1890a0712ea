"""What the engine says of containers, in words; no engine is needed."""

from pathlib import Path

from support.compose import configuration, plan_of
from vserver.stack.compose.engine import Container
from vserver.stack.compose.states import stack_status


def container(service: str, state: str = "running", health: str | None = "healthy") -> Container:
    return Container(service, f"x-{service}-1", state, health, 0, 0, 7)


def test_each_instance_of_dispatch_is_told_of_in_the_order_of_the_start(tmp_path: Path) -> None:
    plan = plan_of(configuration(tmp_path, "dispatch_instances: 11\nuri: sqlite:///a.sqlite"))
    names = [part.name for part in plan.components]
    found = [container(name) for name in reversed(names) if name != "migrate"]
    found += [container("migrate", "exited", None), container("secrets", "exited", None)]
    for known in (plan, None):
        status = stack_status(found, known)
        assert [part.name for part in status.components] == names
        assert status.state == "running"


def test_an_instance_that_is_not_well_is_named(tmp_path: Path) -> None:
    plan = plan_of(configuration(tmp_path, "dispatch_instances: 2\nuri: sqlite:///a.sqlite"))
    for hit, state in (
        (container("dispatch-2", health="unhealthy"), "unhealthy"),
        (container("dispatch-2", "paused"), "stopped"),
    ):
        others = [part.name for part in plan.components if part.name not in ("dispatch-2", "migrate")]
        status = stack_status([*map(container, others), container("migrate", "exited", None), hit], plan)
        assert (status.state, {part.name for part in status.components if part.state == state}) == (
            "degraded", {"dispatch-2"},
        )  # fmt: skip
