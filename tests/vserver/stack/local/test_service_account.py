"""What an account can reach, and work done with its rights."""

import os
import pwd
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from support.local import Home, silent
from vserver.account import Account, blocker, open_to_all, reachable, writable
from vserver.errors import CommandError, ExitCode
from vserver.stack.local import service_account
from vserver.stack.local.folders import hand_over
from vserver.stack.local.paths import Place
from vserver.stack.local.service_account import acting_as

NOBODY = Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)


def opened(folder: Path, mode: int = 0o755) -> Path:
    folder.mkdir()
    folder.chmod(mode)
    return folder


@pytest.fixture
def top(home: Home) -> Path:
    """A folder that everybody may enter."""
    return opened(home.folder / "top")


def test_a_folder_that_is_closed_above_is_not_reached(top: Path) -> None:
    closed = opened(top / "closed", 0o700)
    inner = opened(closed / "inner")
    assert reachable(top, NOBODY.uid, NOBODY.gid)
    assert blocker(inner, NOBODY.uid, NOBODY.gid) == closed
    assert not open_to_all(inner / "later")


def test_what_does_not_exist_yet_is_judged_by_what_does(top: Path) -> None:
    assert reachable(top / "later" / "still", NOBODY.uid, NOBODY.gid)


def test_only_the_class_that_applies_counts(top: Path) -> None:
    """A group that is shut out stays so although everybody else may enter."""
    odd = opened(top / "odd", 0o705)
    mine = odd.stat()
    assert not reachable(odd, 4_000_000, mine.st_gid)
    assert reachable(odd, 4_000_000, 4_000_000)
    assert reachable(odd, mine.st_uid, 4_000_000)


def test_a_file_must_be_readable(top: Path) -> None:
    file = top / "file"
    file.write_text("x")
    file.chmod(0o600)
    assert not reachable(file, NOBODY.uid, NOBODY.gid)
    file.chmod(0o644)
    assert reachable(file, NOBODY.uid, NOBODY.gid)


def test_without_an_account_work_is_done_as_it_is() -> None:
    said: list[str] = []
    assert acting_as(None, lambda say: say("here") or os.getpid(), said.append) == os.getpid()
    assert said == ["here"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
class TestAsRoot:
    def test_work_is_done_with_the_accounts_rights_alone(self, top: Path) -> None:
        closed = opened(top / "closed", 0o700)

        def work(say: service_account.Say) -> tuple[int, int, list[int], bool]:
            say("working")
            return os.getuid(), os.getegid(), os.getgroups(), os.access(closed, os.R_OK)

        said: list[str] = []
        answer = acting_as(NOBODY, work, said.append)
        assert answer == (NOBODY.uid, NOBODY.gid, [NOBODY.gid], False)
        assert said == ["working"]

    def test_an_error_keeps_its_message_its_remedy_and_its_exit_code(self) -> None:
        def work(_: service_account.Say) -> None:
            raise CommandError("what", "do this", exit_code=ExitCode.TIMED_OUT)

        with pytest.raises(CommandError) as caught:
            acting_as(NOBODY, work, silent)
        assert (caught.value.message, caught.value.hint, caught.value.exit_code) == ("what", "do this", 3)

    def test_rights_cannot_be_taken_back(self) -> None:
        with pytest.raises(PermissionError):
            acting_as(NOBODY, lambda _: os.setuid(0), silent)

    def test_an_interrupt_right_after_the_fork_ends_the_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fork = os.fork

        def forked_and_interrupted() -> int:
            child = fork()
            if child:
                # To this thread: another of the tests' would take it at once, and a command has none.
                signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            return child

        monkeypatch.setattr(os, "fork", forked_and_interrupted)
        before = psutil.Process().children()
        with pytest.raises(KeyboardInterrupt):
            acting_as(NOBODY, lambda _: time.sleep(60), silent)
        assert set(psutil.Process().children()) <= set(before)

    def test_missing_folders_are_made_for_the_account_and_others_keep_their_modes(self, top: Path) -> None:
        place = Place("i", top / "made" / "data", top / "log")
        before = top.stat()
        hand_over(place, NOBODY)
        assert (place.data.stat().st_uid, place.data.stat().st_mode & 0o7777) == (NOBODY.uid, 0o700)
        assert (place.log.stat().st_uid, place.log.stat().st_mode & 0o7777) == (0, 0o1775)
        assert writable(place.log, NOBODY.uid, NOBODY.gid)
        assert (place.data.parent.stat().st_uid, place.data.parent.stat().st_mode & 0o7777) == (0, 0o755)
        hand_over(place, NOBODY)
        assert (top.stat().st_mode, top.stat().st_uid) == (before.st_mode, before.st_uid)

    def test_a_strict_umask_of_root_does_not_close_the_way(self, top: Path) -> None:
        before = os.umask(0o077)
        try:
            hand_over(Place("i", top / "a" / "b" / "data", top / "c" / "log"), NOBODY)
        finally:
            os.umask(before)
        assert {(top / name).stat().st_mode & 0o777 for name in ("a", "a/b", "c")} == {0o755}

    def test_many_at_once_make_a_folder_once_and_all_find_it_whole(self, top: Path) -> None:
        def one(_: int) -> None:
            hand_over(Place("i", top / "a" / "b" / "data", top / "a" / "log"), NOBODY)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(64)))

    def test_a_folder_that_others_made_and_that_the_account_may_not_write_to_is_an_error(self, top: Path) -> None:
        mine = opened(top / "mine")
        with pytest.raises(CommandError, match="may not write to") as caught:
            hand_over(Place("i", mine, top / "log"), NOBODY)
        assert "chown nobody:" in (caught.value.hint or "")
        assert mine.stat().st_mode & 0o777 == 0o755

    def test_a_way_that_is_closed_to_the_account_is_an_error_that_names_where(self, top: Path) -> None:
        closed = opened(top / "closed", 0o700)
        with pytest.raises(CommandError, match=f"cannot enter {closed} on the way"):
            hand_over(Place("i", closed / "data", top / "log"), NOBODY)
        assert os.listdir(closed) == []
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_root_is_no_account_to_run_as(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VSERVER_ACCOUNT", "root")
        with pytest.raises(CommandError, match="is root"):
            service_account.service_account(silent)
