"""What the names of folders say about the files in them: image or mask, and which split."""

from __future__ import annotations

import re
from pathlib import Path

# Words in the name of a folder that show that it holds masks, or that it holds images.
MASK_WORDS = frozenset("mask masks gt groundtruth segmentation label labels annotations".split())
IMAGE_WORDS = frozenset("image images img imgs photo photos input inputs picture pictures".split())
SPLIT_WORDS = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip


def words_in(name: str) -> set[str]:
    """The words in a name: capitals start words too, Task1_GroundTruth is task, ground, truth."""
    return set(re.findall("[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))


def holds_masks(folder: Path, root: Path) -> bool:
    """True if the nearest folder below `root` that says what it holds says masks."""
    for part in reversed(folder.relative_to(root).parts):
        words = words_in(part)
        if words & MASK_WORDS or words >= {"ground", "truth"}:
            return True
        if words & IMAGE_WORDS:
            return False
    return False


def split_of(folder: Path, root: Path) -> str:
    """The split that the nearest folder below `root` names; empty if none does, or it names several."""
    for part in reversed(folder.relative_to(root).parts):
        splits = {SPLIT_WORDS[word] for word in words_in(part) & SPLIT_WORDS.keys()}
        if splits:
            return splits.pop() if len(splits) == 1 else ""
    return ""
