"""Finds pairs of image and mask in raw folders, and the split that a user has made already."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.formats import is_image
from inference.scoring.pairs import image_name, index, pairing_name, warn_of_passed, without_twins
from training.data.folders import holds_masks, split_of

LAYOUTS = (
    "images/NAME.jpg with masks/NAME.png; NAME.jpg with NAME_segmentation.png or NAME_mask.png; either "
    "below folders train, valid and test; ISIC's and PH2's own folders; for others give --masks FOLDER, "
    "--mask-suffix _TEXT, or --pairs FILE.csv with the columns image,mask"
)


class Pair(NamedTuple):
    """An image and its mask.

    `source` is empty for the first raw folder, else the folder's name; `split` is empty unless the user
    has chosen it.
    """

    source: str
    name: str
    image: Path
    mask: Path
    split: str = ""

    @property
    def key(self) -> str:
        return f"{self.source}/{self.label}" if self.source else self.label

    @property
    def label(self) -> str:
        """What sources have in common: the name, in each of the user's splits."""
        return label(self.name, self.split)


def find_raw_pairs(
    raw: Path, masks: Path | None, also: Sequence[Path], sources: Sequence[str], suffix: str = ""
) -> tuple[list[Pair], list[str]]:
    """Finds the pairs of the first raw folder, then of the further sources, as `find_pairs` does."""
    pairs, unpaired = find_pairs(raw, masks, suffix=suffix)
    for folder, source in zip(also, sources):
        more, alone = find_pairs(folder, source=source, suffix=suffix)
        pairs, unpaired = pairs + more, unpaired + alone
    return pairs, unpaired


def find_pairs(
    raw: Path, mask_folder: Path | None = None, source: str = "", suffix: str = ""
) -> tuple[list[Pair], list[str]]:
    """Finds images and their masks, in one folder or in two.

    Folders that are named train and valid or test, and so on, keep their images apart.

    Args:
        suffix: what the names of masks end in; empty: the usual words.

    Returns:
        The pairs sorted by name, and a line for each file without a partner.

    Raises:
        InputError: no pair, or two files of one name.
    """
    for folder in filter(None, (raw, mask_folder)):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folder of the raw data")
    if is_image(Path(f"x{suffix}")):
        suffix = Path(suffix).stem  # _lesion.png was given for _lesion
    warn_of_passed(raw)
    raw, mask_root = raw.resolve(), (mask_folder or raw).resolve()
    files = [path for path in list_images(raw) if not is_aside(path)]
    if mask_folder:
        mask_files = list_images(mask_root)
        if suffix:
            mask_files = [
                path for path in mask_files if image_name(path, suffix) != pairing_name(path)
            ]
    else:
        root, stems = common_folder(files), {pairing_name(path) for path in files}
        mask_files = [path for path in files if is_mask(path, root, stems, suffix)]
        if files and not mask_files:
            raise InputError(
                f"{raw}: {len(files)} image files, of which none is named as a mask or in a folder of "
                f"masks; supported layouts: {LAYOUTS}"
            )
    image_files = set(files).difference(mask_files)
    mask_files = without_twins(mask_files)
    names = {pairing_name(path) for path in image_files}
    splits = find_splits(image_files, raw)
    mask_splits = {path: split_of(path.parent, mask_root) for path in mask_files} if splits else {}
    shared = not any(mask_splits.values())  # one folder of masks for all splits

    images = index(
        raw,
        {path: label(pairing_name(path), "" if shared else splits[path]) for path in image_files},
    )
    masks = index(
        mask_root,
        {
            path: label(image_name(path, suffix, names), mask_splits.get(path, ""))
            for path in mask_files
        },
    )
    keys = sorted(images.keys() & masks.keys())
    if not keys:
        raise InputError(
            f"{raw}: {len(images)} images and {len(masks)} masks, but no name in common; "
            f"supported layouts: {LAYOUTS}"
        )
    alone = [f"{images[key]} has no mask" for key in sorted(images.keys() - masks.keys())]
    alone += [f"{masks[key]} has no image" for key in sorted(masks.keys() - images.keys())]
    if not is_split(
        splits.get(images[key], "") for key in keys
    ):  # images without masks do not count
        splits = {}
    return [
        Pair(
            source, pairing_name(images[key]), images[key], masks[key], splits.get(images[key], "")
        )
        for key in keys
    ], alone


def label(name: str, split: str) -> str:
    """What a name is called among the images of all splits."""
    return f"{split}/{name}" if split else name


def find_splits(files: Iterable[Path], root: Path) -> dict[Path, str]:
    """The split of each file by the names of its folders; none if they are no split."""
    splits = {path: split_of(path.parent, root) for path in files}
    return splits if is_split(splits.values()) else {}


def is_split(splits: Iterable[str]) -> bool:
    """True if there are training images and others."""
    return {"train"} < set(splits) - {""}


def is_aside(path: Path) -> bool:
    """True for the outlines of colours that PH2 keeps beside images."""
    return path.parent.name.lower().endswith("_roi")


def common_folder(files: Sequence[Path]) -> Path:
    """The folder that holds all files, whose name tells nothing apart."""
    return Path(os.path.commonpath([path.parent for path in files])) if files else Path("/")


def is_mask(path: Path, root: Path, stems: Collection[str], suffix: str) -> bool:
    """True for a mask by the name of the file or of a folder below `root`.

    NAME_segmentation.png and NAME_mask.png always are; NAME_lesion.png is where there is a NAME.png.

    Args:
        stems: of all files.
        suffix: what masks end in, and nothing else; empty: as above.
    """
    name = image_name(path, suffix)
    if suffix:
        return name != pairing_name(path)
    if name != pairing_name(path) and (
        name in stems or not pairing_name(path).lower().endswith("_lesion")
    ):
        return True
    return holds_masks(path.parent, root)


def require_own_keys(pairs: Iterable[Pair]) -> None:
    """Raises InputError if two images of a split have one name."""
    images: dict[str, Path] = {}
    for pair in pairs:
        if pair.key in images:
            raise InputError(
                f"{images[pair.key]} and {pair.image} are both named {pair.key}; keep one of them"
            )
        images[pair.key] = pair.image


def give_splits(pairs: Sequence[Pair], splits: dict[str, str], origin: str) -> list[Pair]:
    """Puts pairs into the splits of their names; where there are splits, every pair must be in one.

    Args:
        splits: name -> split, from a table; those of the folders' names count where it is empty.
        origin: the table, for the error.

    Raises:
        InputError: a pair is in no split, or two images of a split have one name.
    """
    if not splits:
        splits = {pair.name: pair.split for pair in pairs if pair.split}
        origin = "the folders or lines train, valid and test"
        pairs = [
            pair if pair.split else pair._replace(split=splits.get(pair.name, "")) for pair in pairs
        ]
    else:
        pairs = [pair._replace(split=splits.get(pair.name, "")) for pair in pairs]
    if splits and (lost := [pair.image for pair in pairs if not pair.split]):
        raise InputError(
            f"{lost[0]}: is not in {origin}, nor are {len(lost) - 1} others; a split names all images: "
            "add them, or give --split FILE.csv with the columns name,split"
        )
    require_own_keys(pairs)
    return list(pairs)
