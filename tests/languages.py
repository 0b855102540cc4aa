"""What a page says, in whichever language: to compare two of them."""

from __future__ import annotations

import re
from pathlib import Path

CHINESE = ".zh-CN"
FIGURE = r"\d+(?:[.,/]\d+)*"


def drop_code(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)


def list_commands(page: str) -> list[str]:
    """The lines of its bash blocks, without their comments."""
    return [
        line.split("#")[0].strip()
        for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]


def list_blocks(page: str) -> list[str]:
    """Its code blocks, but for bash, whose comments are translated."""
    found = re.findall(r"^```\w*\n.*?^```$", page, re.DOTALL | re.MULTILINE)
    return [block for block in found if not block.startswith("```bash")]


def list_headings(page: str) -> list[tuple[str, str]]:
    """Level, as in ##, and title."""
    return re.findall(r"^(#+) (.+)$", drop_code(page), re.MULTILINE)


def make_anchor(title: str) -> str:
    """The anchor of a heading, on GitHub and in the site."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def list_anchors(page: str) -> list[str]:
    return [make_anchor(title) for _, title in list_headings(page)]


def list_links(path: Path) -> list[tuple[str, int]]:
    """What a page links to, a file of either language alike, and the number of the section, or -1."""
    found = []
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        name, _, section = target.partition("#")
        file = path.parent / name if name else path
        number = -1
        if section and not target.startswith("http"):
            number = list_anchors(file.read_text(encoding="utf-8")).index(section)
        found.append((name.replace(CHINESE, ""), number))
    return sorted(found)


def list_rows(page: str) -> list[list[str]]:
    """The figures of each row of its tables."""
    lines = re.findall(r"^\|.*\|$", page, re.MULTILINE)
    return [sorted(re.findall(FIGURE, line)) for line in lines]


def list_code(page: str) -> list[str]:
    """What its prose has between backticks."""
    return sorted(" ".join(text.split()) for text in re.findall(r"`([^`]+)`", drop_code(page)))


def list_figures(page: str) -> list[str]:
    """Numbers of the prose and tables."""
    return sorted(re.findall(FIGURE, drop_code(page)))
