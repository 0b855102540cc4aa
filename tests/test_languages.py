"""Pages in two languages say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.languages import (
    CHINESE,
    list_anchors,
    list_blocks,
    list_code,
    list_commands,
    list_figures,
    list_headings,
    list_links,
    list_rows,
)
from tests.source_tree import ROOT

TRANSLATED = sorted([*ROOT.glob(f"*{CHINESE}.md"), *ROOT.glob(f"docs/*{CHINESE}.md")])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", TRANSLATED, ids=name)
def test_both_languages_say_the_same(path: Path) -> None:
    original = path.with_name(path.name.replace(CHINESE, ""))
    chinese, english = (each.read_text(encoding="utf-8") for each in (path, original))
    for listed in (list_commands, list_blocks, list_rows, list_code, list_figures):
        assert listed(chinese) == listed(english), listed.__name__
    levels = [[level for level, _ in list_headings(page)] for page in (chinese, english)]
    assert levels[0] == levels[1]
    assert list_links(path) == list_links(original)
    for page, other in ((english, path.name), (chinese, original.name)):
        assert re.match(rf"# .+\n\n\[.+\]\({re.escape(other)}\)\n\n", page), (
            "each links to the other"
        )


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_what_a_page_links_to_is_there(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8")):
        file, _, section = link.partition("#")
        target = path.parent / file if file else path
        assert target.is_file(), link
        assert not section or section in list_anchors(target.read_text(encoding="utf-8")), link
