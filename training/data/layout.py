"""Where the files of a data set lie.

data/train  train_GT  valid  valid_GT  test  test_GT   images and masks
data/SOURCE/train ...                                  a further source, in the same folders
data/cache  data/manifest.csv
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from inference.errors import InputError
from inference.files import replacing, write_bytes
from inference.images.folders import list_images
from inference.images.pixels import extract_image
from inference.masks.png import write_mask
from inference.scoring.pairs import index_images, index_masks
from training.data.inspection import Inspection, read_lesion
from training.data.manifest import Entry
from training.data.pairs import Pair
from training.data.split import SPLITS

CACHE, MANIFEST = "cache", "manifest.csv"


def require_apart(data: Path, raw: Iterable[Path], sources: Sequence[str]) -> None:
    """Raises InputError if `data` lies in raw data, or two sources would share a folder."""
    for folder in raw:
        if folder.resolve() in (data.resolve(), *data.resolve().parents):
            raise InputError(f"{data}: is inside {folder}, the raw data; give a folder elsewhere")
    taken = {CACHE, *SPLITS, *(f"{split}_GT" for split in SPLITS)}
    if len({*sources, *taken}) < len(sources) + len(taken):
        raise InputError(
            f"--also {' '.join(sources)}: folders must have different names, none of which is used "
            "in the data set already; rename one"
        )


class Copy(NamedTuple):
    """A raw file; one that is a mask to be written anew, as a grey PNG of 0 and 255, has its size.

    Of a DICOM file the image inside is copied: a data set names no patients, and needs no extra to train.
    """

    path: Path
    size: tuple[int, int] | None = None  # height and width
    extracted: bool = False


def plan_copies(
    data: Path, intact: dict[Pair, Inspection], manifest: Iterable[Entry]
) -> dict[Path, Copy]:
    """Places each pair's files by its entry in the manifest: file in the data set -> raw file."""
    copies = {}
    for (pair, found), entry in zip(intact.items(), manifest):
        folder, size = data / pair.source, (found.height, found.width) if found.mask_kind else None
        mask_name = f"{pair.name}_segmentation{'.png' if size else pair.mask.suffix}"
        image_name = f"{pair.name}{found.extracted or pair.image.suffix}"
        copies[folder / entry.split / image_name] = Copy(
            pair.image, extracted=bool(found.extracted)
        )
        copies[folder / f"{entry.split}_GT" / mask_name] = Copy(pair.mask, size)
    return copies


def refuse_strangers(data: Path, sources: Sequence[str], copies: dict[Path, Copy]) -> None:
    """Raises InputError if a folder of the data set holds an image or mask of another split."""
    for source, split, kind in product(("", *sources), SPLITS, ("", "_GT")):
        folder = data / source / f"{split}{kind}"
        for path in list_images(folder) if folder.is_dir() else ():
            if path not in copies:
                raise InputError(
                    f"{path}: does not belong to this split; a data set has only one: give a new "
                    f"folder, or delete {data}"
                )


def copy_files(copies: dict[Path, Copy]) -> None:
    """Copies what is not there yet. No links: an edit of the data set must not reach the raw data."""
    for target, copy in copies.items():
        if target.exists():
            continue
        if copy.size:
            write_mask(target, read_lesion(copy.path, *copy.size))
        elif copy.extracted and (inside := extract_image(copy.path)):
            write_bytes(target, inside[1])
        else:
            with replacing(target) as temporary:
                shutil.copyfile(copy.path, temporary)


def find_split(data: Path, split: str) -> list[Pair]:
    """Finds a split's images and masks: the data set's own folders first, then its further sources.

    Raises:
        InputError: a folder is missing, or an image or mask has no partner.
    """
    if not (data / split).is_dir():
        raise InputError(f"{data / split}: no such folder; make the data set with training.prepare")
    pairs = []
    for folder in (data, *sorted(path.parent for path in data.glob(f"*/{split}"))):
        images = index_images(folder / split)
        masks = index_masks(folder / f"{split}_GT", images)
        if alone := sorted(images.keys() ^ masks.keys()):
            raise InputError(
                f"{folder / split}: {alone[0]} has an image or a mask, but not both; "
                "delete it or add the other"
            )
        source = "" if folder == data else folder.name
        pairs += [Pair(source, name, images[name], masks[name]) for name in images]
    return pairs
