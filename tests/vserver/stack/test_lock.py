"""One command at a time changes an instance."""

import threading
from pathlib import Path

from vserver.stack.lock import only_one


def test_one_at_a_time_holds_the_lock_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def one() -> None:
        for _ in range(30):
            with only_one(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 240
    assert not (tmp_path / "lock").exists()
