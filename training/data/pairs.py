"""Finds pairs of image and mask in raw folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from inference.errors import InputError
from inference.images.folders import list_images
from inference.scoring.pairs import image_name, index

# Words in the name of a folder that show that it holds masks.
MASK_WORDS = frozenset("mask masks gt groundtruth segmentation label labels annotations".split())


class Pair(NamedTuple):
    """An image and its mask; `source` is empty for the first raw folder, else the folder's name."""

    source: str
    name: str
    image: Path
    mask: Path

    @property
    def key(self) -> str:
        return f"{self.source}/{self.name}" if self.source else self.name


def find_raw_pairs(
    raw: Path, masks: Path | None, also: Sequence[Path], sources: Sequence[str]
) -> tuple[list[Pair], list[str]]:
    """Finds the pairs of the first raw folder, then of the further sources, as `find_pairs` does."""
    pairs, unpaired = find_pairs(raw, masks)
    for folder, source in zip(also, sources):
        more, alone = find_pairs(folder, source=source)
        pairs, unpaired = pairs + more, unpaired + alone
    return pairs, unpaired


def find_pairs(
    raw: Path, mask_folder: Path | None = None, source: str = ""
) -> tuple[list[Pair], list[str]]:
    """Finds images and their masks, in one folder or in two.

    Returns:
        The pairs sorted by name, and a line for each file without a partner.

    Raises:
        InputError: no pair, or two files of one name.
    """
    for folder in filter(None, (raw, mask_folder)):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folder of the raw data")
    raw = raw.resolve()
    files = [path for path in list_images(raw) if not path.stem.endswith("_superpixels")]
    if mask_folder:
        mask_files = list_images(mask_folder.resolve())
    else:
        mask_files = [path for path in files if is_mask(path, raw)]
    image_files = set(files).difference(mask_files)
    images = index(raw, {path: path.stem for path in image_files})
    masks = index(mask_folder or raw, {path: image_name(path) for path in mask_files})
    names = sorted(images.keys() & masks.keys())
    if not names:
        raise InputError(
            f"{raw}: {len(images)} images and {len(masks)} masks, but no name in common; "
            "name the masks NAME_segmentation.png, or give their folder with --masks"
        )
    alone = [f"{images[name]} has no mask" for name in sorted(images.keys() - masks.keys())]
    alone += [f"{masks[name]} has no image" for name in sorted(masks.keys() - images.keys())]
    return [Pair(source, name, images[name], masks[name]) for name in names], alone


def is_mask(path: Path, raw: Path) -> bool:
    """True for NAME_segmentation.png, NAME_mask.png, and files in a folder named after masks."""
    if image_name(path) != path.stem:
        return True
    if path.parent == raw:
        return False
    # Capitals start words too: Task1_GroundTruth is task, ground, truth.
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path.parent.name).lower()
    found = set(re.findall("[a-z]+", words))
    return bool(found & MASK_WORDS) or {"ground", "truth"} <= found
