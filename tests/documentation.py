"""The command lines that pages, docstrings and CI show."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

from tests.source_tree import MODULES, ROOT, list_modules, parse

PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("inference/models/*.md"),
    ROOT / ".ci" / "run",
    ROOT / ".github" / "workflows" / "check.yml",
]
STAND_INS = {" ...": " --data data", " NAME": " cpu"}  # for what a reader has to fill in
STARTS = ("python -m ", "torchrun ", "make ")


def show_lines(path: Path) -> list[list[str]]:
    """The words of every command line that a file shows; those of Python in the module's docstring.

    Comments are left out.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(parse(path)) or ""
    lines = [line.strip().removeprefix("- run: ") for line in text.splitlines()]
    if path.suffix == ".md":
        blocks = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    shown = [re.split(r"   | && ", line)[0] for line in lines if line.startswith(STARTS)]
    for written, meant in STAND_INS.items():
        shown = [line.replace(written, meant) for line in shown]
    return [shlex.split(line, comments=True) for line in shown]


SHOWN = {
    f"{path.relative_to(ROOT)}: {' '.join(words)}": words
    for path in [*PAGES, *MODULES.values(), *list_modules("tests").values()]
    for words in show_lines(path)
}
