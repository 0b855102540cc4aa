"""Each message that docs/troubleshooting.md quotes is one that the source can print."""

from __future__ import annotations

import ast
import re

import pytest

from tests.source_tree import MODULES, ROOT, parse

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
VARIES = "…"
QUOTED = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)


def list_templates() -> set[str]:
    """The strings of the source; an ellipsis stands for what an f-string fills in."""
    templates = set()
    for path in MODULES.values():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else VARIES
                    for part in node.values
                )
                templates.add("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                templates.add(node.value)
    return templates


TEMPLATES = list_templates()


def is_printed(quoted: str) -> bool:
    """Whether a template has all parts of a quotation, in their order."""
    parts = [re.escape(part) for part in quoted.split(VARIES)]
    pattern = re.compile(".*".join(parts), re.DOTALL)
    return any(pattern.fullmatch(template) for template in TEMPLATES)


def test_the_page_quotes_and_says_something_of_each() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(rows) == len(QUOTED) > 25 and len(set(QUOTED)) == len(QUOTED)
    assert all(len(row.split(" | ")) == 2 and len(row.split(" | ")[1]) > 20 for row in rows)


@pytest.mark.parametrize("quoted", QUOTED)
def test_the_source_prints_it(quoted: str) -> None:
    assert len(quoted.replace(VARIES, "")) > 15, "too little of it to be found"
    assert is_printed(quoted), "not a message of the source: quote it anew"


def test_a_message_that_has_changed_is_found_out() -> None:
    assert is_printed("…: is empty; copy it again")
    assert not is_printed("…: is empty; copy it twice")
    assert not is_printed("…: copy it again; is empty")
