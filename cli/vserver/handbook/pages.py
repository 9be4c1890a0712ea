"""Pages of the documentation that are made in part: what stands between two marks is written by a program."""

import re
from collections.abc import Iterable, Mapping, Sequence


def filled(text: str, parts: Mapping[str, str]) -> str:
    """The page, each part between `<!-- made: NAME -->` and `<!-- end -->`. Raises ValueError for a missing mark."""
    for name, part in parts.items():
        mark = f"<!-- made: {name} -->"
        pattern = re.compile(rf"({re.escape(mark)}\n).*?(\n<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"The page has no place for {name}: write the lines '{mark}' and '<!-- end -->'")
        text = pattern.sub(lambda found, part=part: f"{found.group(1)}\n{part}\n{found.group(2)}", text)
    return text


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
