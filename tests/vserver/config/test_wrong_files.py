"""What is wrong with a file as a whole, with its layout, and with what surrounds an environment."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vserver.config.reader import read_environment
from vserver.errors import ConfigurationError

NOT_A_CONFIGURATION = "It should be a text file that starts with application: or environments:"
DEEP = "a: " + "[" * 3000 + "]" * 3000
MANY = "a: [" + "1, " * 25_000 + "1]"
LAUGHS = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '1'] * 10)}]" for n in range(9))

FILES: list[tuple[bytes, str]] = [
    (b"", f": the file is empty. {NOT_A_CONFIGURATION}"),
    (b"# only a comment\n", f": the file is empty. {NOT_A_CONFIGURATION}"),
    (b"\n\n\xff\n", ":3: the file is not UTF-8 text. Save it in UTF-8"),
    (b"environments:\n\tprod: {}\n", ":2: this is not YAML: a tab where only spaces may stand. Indent with spaces"),
    (b"a: 1\nb: \x00\n", ":2: this is not YAML: it holds the control character U+0000. Remove it"),
    (b"a: 1\n---\nb: 1\n", ":2: a second YAML document begins here. Keep one document: remove the line of --- or ..."),
    (b"a: [1\n", ":2: this is not YAML: expected ',' or ']', but got '<stream end>'. Check indentation, quotes and"),
    (b"%YAML 7.0\n---\na: 1\n", ":1: this is not YAML: found incompatible YAML document (version 1.* is required)."),
    (DEEP.encode(), ": the file is nested too deeply. A configuration has four levels"),
    (MANY.encode(), f": the file holds more than 20000 values. {NOT_A_CONFIGURATION}"),
    (LAUGHS.encode(), f": the file holds more than 20000 values. {NOT_A_CONFIGURATION}"),
    (b"#" * 1_000_001, f": the file is larger than 1000000 bytes. {NOT_A_CONFIGURATION}"),
    (b"just text\n", ":1: found text of 9 characters, expected one or more of the groups application, environments."),
    (b"- a\n- b\n", ":1: found a list, expected one or more of the groups application, environments. Check the"),
    (b"---\n", ":2: found nothing, expected one or more of the groups application, environments. Check the"),
]


@pytest.mark.parametrize(("content", "expected"), FILES, ids=[expected[:60] for _, expected in FILES])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "server.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_environment(path)
    assert str(caught.value).removeprefix(str(path)).startswith(expected)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.yaml: there is no such file. Look at the spelling"):
        read_environment(tmp_path / "absent.yaml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"this is not a file. Name the configuration file itself"):
        read_environment(tmp_path)


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the file cannot be read: File name too long"):
        read_environment(tmp_path / ("x" * 300))


def test_a_file_of_somebody_else_is_refused_with_who_may_read_it() -> None:
    with tempfile.TemporaryDirectory(prefix="dq-config-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "server.yaml")
        path.write_text("application: {port: 5000}\n")
        path.chmod(0)
        program = (
            f"from pathlib import Path; from vserver.config.reader import *; read_environment(Path({str(path)!r}))"
        )
        user = 65534 if os.geteuid() == 0 else None
        done = subprocess.run([sys.executable, "-c", program], user=user, capture_output=True, text=True, check=False)
    assert "the file cannot be read: Permission denied. Check who owns it" in done.stderr


FULL = "environments:\n  prod:\n    port: 5000\n"
LAYOUTS: list[tuple[str, str]] = [
    (
        f"{FULL}port: 5000\n",
        "4: port: there is no such key at the top of a configuration. Put it into an environment, ",
    ),
    (
        f"{FULL}dev: {{}}\n",
        "4: dev: there is no such key at the top of a configuration. Put it under environments: dev",
    ),
    (
        f"{FULL}enviroments: {{}}\n",
        "4: enviroments: there is no such key at the top of a configuration. Did you mean env",
    ),
    (
        f"{FULL}version: 3\n",
        "4: version: there is no such key at the top of a configuration. Known here: application, e",
    ),
    (f"{FULL}environments: {{}}\n", "4: environments: this key stands twice, first on line 1. Remove one of the two"),
    (f"{FULL}  prod: {{}}\n", "4: environments.prod: this key stands twice, first on line 2. Remove one of the two"),
    (f"{FULL}  production: {{}}\n", "4: environments.production: there is no such environment. Did you mean prod?"),
    (f"{FULL}  Test: {{}}\n", "4: environments.Test: there is no such environment. Did you mean test?"),
    (f"{FULL}  blue: {{}}\n", "4: environments.blue: there is no such environment. Known here: prod, acc, test, dev"),
    (f"{FULL}  application: {{}}\n", "4: environments.application: there is no such environment. Put application at"),
    (f"{FULL}[a, b]: 1\n", "4: a key that is not a word stands here. Write key: value"),
    ("environments: 5\n", "1: environments: found a number, expected one or more of the groups prod, acc, test, dev. "),
    (
        "environments: [prod]\n",
        "1: environments: found a list, expected one or more of the groups prod, acc, test, dev.",
    ),
    ("environments: {}\n", "1: no environment is filled in. Fill in environments.prod, for example with port: 5000"),
    ("environments: ...\n", "1: no environment is filled in. Fill in environments.prod, for example with port: 5000"),
    (
        "environments:\n  prod: 5\n",
        "2: environments.prod: found a number, expected a group of keys. For example port: 5",
    ),
    (
        "environments:\n  prod: [a]\n",
        "2: environments.prod: found a list, expected a group of keys. For example port: 50",
    ),
    ("environments:\n  prod: hunter2\n", "2: environments.prod: found text of 7 characters, expected a group of keys."),
    ("application: !x {}\n", "1: application: this has a YAML tag. Remove the word that starts with !"),
]


@pytest.mark.parametrize(("text", "expected"), LAYOUTS, ids=[expected[:60] for _, expected in LAYOUTS])
def test_a_layout_that_is_not_known_is_refused(write: Callable[[str], Path], text: str, expected: str) -> None:
    path = write(text)
    with pytest.raises(ConfigurationError) as caught:
        read_environment(path)
    assert str(caught.value).removeprefix(f"{path}:").startswith(expected)


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_its_lines(write: Callable[[str], Path]) -> None:
    path = write(
        "environments:\n  test:\n    port: x\n    logging:\n      level: LOUD\n    ip: ${ABSENT}\n    prot: 1\nui: 1\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_environment(path, "test", {})
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (3, "environments.test.port"),
        (5, "environments.test.logging.level"),
        (6, "environments.test.ip"),
        (7, "environments.test.prot"),
        (8, "ui"),
    ]


def test_a_missing_key_is_told_on_the_line_of_its_group(write: Callable[[str], Path]) -> None:
    path = write("environments:\n  test:\n    logging:\n      loggers:\n      - name: a\n      - level: INFO\n")
    with pytest.raises(ConfigurationError) as caught:
        read_environment(path, "test")
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (5, "environments.test.logging.loggers[0].level"),
        (6, "environments.test.logging.loggers[1].name"),
    ]
