"""What the README says is so, in both languages; its commands on one's own data are run."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.images.pixels import read_mask
from inference.images.write import write_image
from inference.models import SHIPPED
from tests.command_line import start
from training.synthesize import synthesize
from training.synthetic.lesion import make_lesion

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    """The lines of its bash blocks, without their comments."""
    return [
        line.split("#")[0].strip()
        for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]


COMMANDS = commands(README)
# Flags that make the work smaller.
SMALLER = {
    "training.prepare": ["--size", "64"],
    "training.train": ["--width", "4", "--size", "64", "--epochs", "1", "--opt-level", "O0"],
}


def test_the_commands_for_ones_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    synthesize(tmp_path / "ISIC2018", images=30, height=96, width=128)
    ran = []
    for command in COMMANDS:
        if match := re.fullmatch(r"python -m ([\w.]+) (.*)", command):
            module, arguments = match[1], match[2].split()
            assert start(module, *arguments, *SMALLER.get(module, [])) == 0, command
            ran.append(module)
    assert len(ran) == 6 and len(set(ran)) == 5
    assert len(list((tmp_path / "masks").glob("*_segmentation.png"))) == 6


def test_its_scores_are_those_of_the_card() -> None:
    card = (SHIPPED.with_suffix(".md")).read_text(encoding="utf-8").splitlines()
    rows = [line for line in README.splitlines() if line.startswith("| test, ")]
    assert rows == [line for line in card if line.startswith("| test, ")] and len(rows) == 4


def test_no_other_kind_of_command() -> None:
    for command in COMMANDS:
        assert re.match(r"python -m |make |source \.venv/bin/activate$", command), command


def test_the_tree_is_true() -> None:
    tree = re.search(r"## Where things are\n\n```\n(.*?)```", README, re.DOTALL)
    assert tree
    named = {line.split("/")[0] for line in tree[1].splitlines()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line}
    assert named == {folder for folder in folders if not folder.startswith(".")}


def blocks(page: str) -> list[str]:
    """Its code blocks, but for bash, whose comments are translated."""
    found = re.findall(r"^```\w*\n.*?^```$", page, re.DOTALL | re.MULTILINE)
    return [block for block in found if not block.startswith("```bash")]


def outside_code(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)


def headings(page: str) -> list[tuple[str, str]]:
    """Level, as in ##, and title."""
    return re.findall(r"^(#+) (.+)$", outside_code(page), re.MULTILINE)


def links(page: str) -> list[str]:
    """What it links to, a page of either language alike; a section of its own by its number."""
    sections = [title.lower().replace(" ", "-") for _, title in headings(page)]
    return sorted(
        str(sections.index(target[1:])) if target.startswith("#") else target.replace(".zh-CN", "")
        for target in re.findall(r"\]\(([^)]+)\)", page)
        if not target.startswith("README")
    )


def rows(page: str) -> list[list[str]]:
    """The figures of each row of its tables."""
    lines = re.findall(r"^\|.*\|$", page, re.MULTILINE)
    return [re.findall(r"\d[\d.,]*", line) for line in lines]


def code(page: str) -> list[str]:
    return sorted(" ".join(text.split()) for text in re.findall(r"`([^`]+)`", outside_code(page)))


def figures(page: str) -> list[str]:
    """Numbers of the prose and tables, and what stands for numbers to come."""
    return sorted(re.findall(r"TBD_[A-Z_]+|\d+(?:[.,/]\d+)*", outside_code(page)))


def test_both_languages_say_the_same() -> None:
    assert commands(CHINESE) == COMMANDS
    assert blocks(CHINESE) == blocks(README)
    assert [level for level, _ in headings(CHINESE)] == [level for level, _ in headings(README)]
    assert rows(CHINESE) == rows(README)
    assert links(CHINESE) == links(README)
    assert code(CHINESE) == code(README)
    assert figures(CHINESE) == figures(README)


def test_each_language_links_to_the_other_under_its_title() -> None:
    for page, other in ((README, "README.zh-CN.md"), (CHINESE, "README.md")):
        assert re.match(rf"# .+\n\n\[.+\]\({re.escape(other)}\)\n\n", page)


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"## From Python\n\n```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    image, _ = make_lesion(np.random.default_rng(0), 96, 128)
    write_image(tmp_path / "photo.jpg", image)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    lesion = names["lesion"]
    assert lesion.mask.shape == (96, 128) and lesion.measures.area_px == lesion.mask.sum() > 0
    assert np.array_equal(read_mask(tmp_path / "mask.png"), lesion.mask)
