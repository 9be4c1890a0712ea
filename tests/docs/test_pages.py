"""Every block of the documentation is run as it stands, page by page, against a server that the quick start began."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe
from shutil import which

import pytest
import yaml

from support.accounts import throw_away_account
from support.local import new_home
from support.pages import PAGES, ROOT, RUN, SHOWN, Block, Reader, alive_on, blocks_of, commands_in_prose, flaws
from support.processes import free_port
from vserver.config.reader import list_environments, read_environment

QUICK_START = ROOT / "docs" / "quick-start.md"
PLAYED = ["docs/import.md", "docs/shell.md", "docs/node-setup.md", "docs/api-guide.md", "README.md"]
"""Pages that are tried on the quick start's server, in this order."""
NOT_RUN = {
    "make demo": "each takes minutes and is itself run by tests and CI",
    "pipx install 'dataquality-server[local]'": "installs from the package index into the machine's own Python",
    "make dist": "takes minutes, and is run by a test of its own",
    "pip install vantage6": "installs a program that needs Docker, on the node's machine",
    "pip install vantage6-client==3.11.1": "installs the client into the reader's own Python; the tests have the same "
    "one in an environment apart",
}
"""The first line of each block that is not run, and why. Keep it short."""
EXAMPLES = ROOT / "docs" / "commands.md"
UNTIL_CTRL_C = "shows the log until Ctrl-C; tests of attach and of the local stack do so"
OTHERS = "needs a second server; tests of the import pipe one into another"
DOCKER = "needs Docker; tests of the image do so"
EXAMPLES_NOT_RUN = {
    "vserver start --name hospital --attach": UNTIL_CTRL_C,
    "vserver attach --name hospital": UNTIL_CTRL_C,
    "vserver attach --name hospital --service dispatch --service worker --since 15m": UNTIL_CTRL_C,
    "vserver start --config /srv/hospital.yaml -e test --ip 127.0.0.1 --port 5001": OTHERS,
    "vserver export --name old --user | vserver import - --name new --user --keys-file keys.json": OTHERS,
    "vserver stop --name hospital": "would end the server of these tests, which end with it",
    "vserver stop --all --user": "the same",
    "vserver autostart enable --name hospital": "changes what this machine starts when it boots",
    "vserver image build": DOCKER,
    "vserver image load dataquality-server-images.tar": DOCKER,
    "vserver image show": DOCKER,
}
EXAMPLES_THAT_FAIL_HERE = {
    # Without a terminal nothing is asked, there is no such file, and the server is there already.
    "vserver new": 4,
    "vserver new --name hospital -e test --user": 4,
    "vserver user set-password root --name hospital": 4,
    "vserver user set-password root --name hospital --password-file root-password": 4,
    "vserver new --name hospital --set description='Our server' --set port=5001 </dev/null": 1,
    # It runs; tests of damaged secrets renew those of a stopped server.
    "vserver secret renew redis_password --name hospital": 1,
}
VARIABLES = {"JWT_SECRET": token_urlsafe(32), "DB_PASSWORD": "secret"}


def all_blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page)]


def test_each_block_says_what_it_is() -> None:
    unknown = [block.place for block in all_blocks() if block.language not in RUN | SHOWN]
    shown = [block for block in all_blocks() if block.language in SHOWN]
    assert unknown + [block.place for block in shown if block.text.startswith(("$", "vserver"))] == []


def test_what_is_not_run_is_listed_here_with_its_reason() -> None:
    found = {block.text.splitlines()[0]: block.marks["not run"] for block in all_blocks() if "not run" in block.marks}
    assert found == NOT_RUN


def test_every_command_that_is_named_exists_with_its_options() -> None:
    blocks = [(block.place, block.text) for block in all_blocks() if block.language == "bash"]
    prose = [(str(page), command) for page in PAGES for command in commands_in_prose(page)]
    assert [f"{place}: {flaw}" for place, text in blocks + prose for flaw in flaws(text)] == []
    assert len(prose) > 20


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """Somebody who has read the quick start up to its last block, which stops the server: that is played at the end."""
    with throw_away_account() as account, new_home(account) as home:
        reader = Reader(home, {"5000": free_port(), "5001": free_port()})
        (reader.folder / "examples").symlink_to(ROOT / "examples")
        *blocks, last = alive_on(QUICK_START)
        assert last.text.startswith("vserver stop ")
        reader.play(blocks)
        yield reader
        reader.close()
        reader.play([last])


def test_the_quick_start_works_as_it_stands(reader: Reader) -> None:
    assert "running" in reader.shell("vserver status --name hospital --user --json", "after the quick start")


@pytest.mark.parametrize("page", PLAYED)
def test_the_blocks_of_a_page_run_in_their_order(reader: Reader, page: str) -> None:
    reader.read(ROOT / page)


def examples() -> list[str]:
    return [line for block in blocks_of(EXAMPLES) for line in block.text.splitlines()]


def test_the_examples_of_the_help_are_run(reader: Reader) -> None:
    """The examples mean a server of the machine; this reader's is at user level, and has typed some of them already."""
    (reader.folder / "changes.py").write_text("print(db.Organization.get())\n")
    pages = [QUICK_START, *(ROOT / page for page in PLAYED)]
    typed = {line for page in pages for block in alive_on(page) for line in block.text.splitlines()}
    for line in examples():
        words = line if "--user" in line else line.replace("--name hospital", "--name hospital --user")
        if line not in EXAMPLES_NOT_RUN and words not in typed and ("jq" not in line or which("jq")):
            reader.shell(words, EXAMPLES.name, EXAMPLES_THAT_FAIL_HERE.get(line, 0))


def test_no_example_is_left_out_that_is_no_longer_there() -> None:
    assert (EXAMPLES_NOT_RUN.keys() | EXAMPLES_THAT_FAIL_HERE.keys()) - set(examples()) == set()


def test_every_page_with_blocks_is_played() -> None:
    alive = [block for block in all_blocks() if block.language in {"bash", "python"} and "not run" not in block.marks]
    pages = {str(block.page.relative_to(ROOT)) for block in alive}
    assert pages - {"docs/quick-start.md", "docs/commands.md"} == set(PLAYED)


def yaml_blocks() -> list[Block]:
    return [block for block in all_blocks() if block.language == "yaml" and not block.marks.keys() & {"file", "run"}]


@pytest.mark.parametrize("block", yaml_blocks(), ids=lambda block: block.place)
def test_a_configuration_that_is_shown_is_a_good_one(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(block.text)
    (tmp_path / "smtp-password").write_text("secret")
    names = [summary.name for summary in list_environments(file) if summary.name and summary.state != "empty"]
    assert names
    for name in names:
        assert not read_environment(file, name, VARIABLES).warnings


def test_the_nodes_file_that_is_shown_is_what_the_real_node_takes(reader: Reader) -> None:
    [block] = [block for block in all_blocks() if block.marks.get("run") == "node configuration"]
    shown = yaml.safe_load(block.text)["application"]
    code = f"from vantage6.cli.configuration_manager import NodeConfiguration as N; assert N({shown!r}).is_valid"
    reader.run(Block(block.page, block.line, "python", code))
    reader.close()
