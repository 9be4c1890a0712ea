"""What is made by a program in the documentation is what the program makes now."""

from pathlib import Path

import pytest

from vserver.config.keys import KEYS
from vserver.handbook import commands, configuration, pages
from vserver.handbook.about import ABOUT

ROOT = Path(__file__).parents[2]


def test_the_tables_of_the_configuration_are_current() -> None:
    text = (ROOT / configuration.PAGE).read_text()
    assert configuration.page(text) == text, "run: python -m vserver.handbook.json_schema"


def test_the_reference_of_the_commands_is_current() -> None:
    text = (ROOT / commands.PAGE).read_text()
    assert commands.page(text) == text, "run: python -m vserver.handbook.commands"


def test_each_command_tells_what_it_reads_writes_and_exits_with() -> None:
    assert {name for name, _ in commands.all_commands()} == ABOUT.keys()


def test_every_key_of_the_configuration_has_a_row() -> None:
    text = (ROOT / configuration.PAGE).read_text()
    assert [names for names in KEYS if f"\n| `{names[-1]}` |" not in text] == []


def test_a_page_without_a_place_for_what_is_made_is_refused() -> None:
    with pytest.raises(ValueError, match="made: keys"):
        pages.filled("nothing", {"keys": "a table"})
