"""The end of a log file is read, and what is added to it."""

from pathlib import Path

from vserver.stack.logs import LogsWanted
from vserver.stack.tail import follow, last_lines


def test_the_last_lines_of_a_log_and_what_is_added_are_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log, 3) == []
    log.write_text("".join(f"{number}\n" for number in range(100)))
    assert last_lines(log, 3) == ["97", "98", "99"]
    rounds = iter([True, True, False])

    def goes_on() -> bool:
        again = next(rounds)
        if again:
            with log.open("a") as file:
                file.write("more\n")
        else:
            log.rename(tmp_path / "log.1")
            log.write_text("rotated\n")
        return again

    files = {"auth": log, "beat": tmp_path / "missing"}
    seen = [line for _, line in follow(files, LogsWanted(("auth", "beat")), goes_on, look=0)]
    assert seen == [*(str(number) for number in range(90, 100)), "more", "more", "rotated"]
