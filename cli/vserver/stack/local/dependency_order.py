"""Components side by side, each as soon as what it needs is ready."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from vserver.stack.plan import Component


class GivenUpError(Exception):
    """Another component failed, so there is no point in going on with this one."""


def in_order(components: Sequence[Component], work: Callable[[Component, threading.Event], None]) -> None:
    """Do `work` for each component after all that it needs. The first failure is raised, after all have ended.

    `work` is given an event that is set once there is no point in going on.
    """
    stop = threading.Event()
    ready: dict[str, Future[None]] = {}

    def one(component: Component) -> None:
        for name in component.needs:
            if ready[name].exception() is not None:
                raise GivenUpError
        try:
            work(component, stop)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=max(1, len(components))) as pool:
        for component in components:
            ready[component.name] = pool.submit(one, component)
        try:
            wait(ready.values())
        except BaseException:
            stop.set()
            raise
    failures = [error for future in ready.values() if (error := future.exception()) is not None]
    for failure in failures:
        if not isinstance(failure, GivenUpError):
            raise failure
