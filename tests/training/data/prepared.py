"""What tests of prepared data sets share: looks at one, and raw folders that hold a split."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from training.synthesize import IMAGES, MASKS

COUNTS = {"train": 21, "valid": 3, "test": 6}  # of the made-up raw folder


def read_manifest(data: Path) -> list[dict[str, str]]:
    with (data / "manifest.csv").open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def arrange(raw: Path, root: Path, splits: dict[str, range]) -> Path:
    """The made-up pairs in folders SPLIT/images and SPLIT/masks, numbered anew in each."""
    for split, numbers in splits.items():
        for new, old in enumerate(numbers):
            for kind, part, end in (
                (IMAGES, "images", ".jpg"),
                (MASKS, "masks", "_segmentation.png"),
            ):
                target = root / split / part / f"{new}{end[-4:]}"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(raw / kind / f"SYNTH_{old:07}{end}", target)
    return root
