"""What the README says is so; the commands for one's own data, in docs/index.md, are run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.images.pixels import read_mask
from inference.images.write import write_image
from inference.models import SHIPPED, SHIPPED_INT8, read_test_split
from tests.command_line import start
from tests.languages import list_commands, list_rows
from tests.source_tree import ROOT
from training.synthesize import synthesize
from training.synthetic.lesion import make_lesion

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Flags that make the work smaller.
SMALLER = {
    "training.prepare": ["--size", "64"],
    "training.train": ["--width", "4", "--size", "64", "--epochs", "1", "--opt-level", "O0"],
}


def test_the_commands_for_ones_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    synthesize(tmp_path / "ISIC2018", images=30, height=96, width=128)
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    ran = []
    for command in list_commands(page[page.index("## Train on your data") :]):
        if match := re.fullmatch(r"python -m ([\w.]+) (.*)", command):
            module, arguments = match[1], match[2].split()
            assert start(module, *arguments, *SMALLER.get(module, [])) == 0, command
            ran.append(module)
    assert len(ran) == len(set(ran)) == 5
    assert len(list((tmp_path / "masks").glob("*_segmentation.png"))) == 6


def test_its_figures_are_measured_ones() -> None:
    """Of the card and of the comparison with peers: another model brings other figures."""
    scores = json.loads(SHIPPED.with_suffix(".scores.json").read_text(encoding="utf-8"))
    assert scores["images"] == len(read_test_split())
    megabytes = (path.stat().st_size / 1e6 for path in (SHIPPED, SHIPPED_INT8))
    peers = json.loads((ROOT / "docs" / "peers.json").read_text(encoding="utf-8"))["rows"]
    fps = {(row["network"], row["engine"]): row["fps"] for row in peers}
    fastest = max(
        (row for row in peers if "ours" not in row["network"]), key=lambda row: row["fps"]
    )
    assert fastest["network"].startswith("ultralytics")
    speeds = (
        fps[f"ours, {SHIPPED.name}", "onnxruntime"],
        fps[f"ours, {SHIPPED_INT8.name}", "openvino"],
        fps["smp Unet efficientnet_lite0", "onnxruntime"],
        fastest["fps"],
    )
    _, _, figures, *_ = list_rows(README)
    expected = [f"{scores['dice']:.3f}", *(f"{figure:.1f}" for figure in (*megabytes, *speeds))]
    names = ["2018", "8", "8"]  # ISIC and INT
    assert figures == sorted([*expected, str(scores["images"]), *names])


def test_it_is_short_and_shows_a_picture() -> None:
    assert README.count("\n") < 120
    assert "](docs/demo.jpg)" in README[: README.index("make demo")]
    assert not re.findall(r"!\[[^\]]*\]\(https?:", README), "pictures come from nowhere else"


def test_no_other_kind_of_command() -> None:
    for command in list_commands(README):
        for part in command.split(" && "):
            assert re.match(r"python -m |make |source \.venv/bin/activate$", part), command


def test_the_tree_is_true() -> None:
    tree = re.search(r"## Where things are\n\n```\n(.*?)```", README, re.DOTALL)
    assert tree
    named = {line.split("/")[0] for line in tree[1].splitlines()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line}
    assert named == {folder for folder in folders if not folder.startswith(".")}


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    image, _ = make_lesion(np.random.default_rng(0), 96, 128)
    write_image(tmp_path / "photo.jpg", image)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    lesion = names["lesion"]
    assert lesion.mask.shape == (96, 128) and lesion.measures.area_px == lesion.mask.sum() > 0
    assert np.array_equal(read_mask(tmp_path / "mask.png"), lesion.mask)
