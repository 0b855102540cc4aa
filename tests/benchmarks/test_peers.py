"""The comparison with peers: stand-ins take their turns, and what does not run is named."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from inference.images.pixels import read_image
from inference.images.write import write_image
from inference.models import SHIPPED
from tests.benchmarks.peers import __main__ as peers
from tests.source_tree import ROOT
from training.synthetic.lesion import make_lesion

# Answers a pass with 2 seconds, and then with 1.
STAND_IN = """import sys
print('{"millions": 3, "MB": 1.5}', flush=True)
for turn, _ in enumerate(sys.stdin):
    print([2, 1, 1][turn], flush=True)
"""


def test_peers_take_turns_and_are_compared(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    commands = {
        ("ours", "onnxruntime"): [sys.executable, "-c", STAND_IN],
        ("theirs", "torch"): [sys.executable, "-c", STAND_IN.replace("[2, 1, 1]", "[4, 4, 9]")],
        ("gone", "torch"): [sys.executable, "-c", "import no_such_library"],
    }
    workers, facts, missing = peers.start_all(commands, tmp_path / "photos", tmp_path)
    assert missing == [
        "not run: gone in torch: ModuleNotFoundError: No module named 'no_such_library'"
    ]
    rows = peers.summarise(peers.time_all(workers, 3), facts, count=8)
    assert [(row["network"], row["fps"], row["ratio"]) for row in rows] == [
        ("ours", 8.0, 1.0),
        ("theirs", 2.0, 0.25),
    ]
    assert "| theirs  | torch       | 1.5 |      2.0 |  0.25 |" in peers.show(rows)


def test_photos_are_as_large_as_they_are_said_to_be(tmp_path: Path) -> None:
    image, _ = make_lesion(np.random.default_rng(0), 96, 128)
    write_image(tmp_path / "given" / "lesion.png", image)
    photos = peers.make_photos(tmp_path / "given", 2, tmp_path / "photos")
    paths = sorted(photos.iterdir())
    assert [path.suffix for path in paths] == [".jpg", ".jpg"]
    assert read_image(paths[0]).shape == (peers.HEIGHT, peers.WIDTH, 3)


def test_ours_segments_the_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image, _ = make_lesion(np.random.default_rng(0), 96, 128)
    write_image(tmp_path / "photos" / "lesion.jpg", image)
    (tmp_path / "masks").mkdir()
    monkeypatch.setattr(sys, "stdin", ["\n"])
    peers.take_turns(SHIPPED, "onnxruntime", tmp_path / "photos", tmp_path / "masks", 1, 2)
    facts, seconds = capsys.readouterr().out.splitlines()
    assert '"MB"' in facts and float(seconds) > 0
    assert (tmp_path / "masks" / "lesion.png").is_file()


def test_the_peers_program_imports_nothing_of_ours() -> None:
    """It runs where this project is not installed."""
    tree = ast.parse((ROOT / "tests/benchmarks/peers/contestant.py").read_text(encoding="utf-8"))
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert {"torch", "cv2", "numpy"} <= modules
    assert not modules & {"inference", "training", "export", "app", "tests"}
