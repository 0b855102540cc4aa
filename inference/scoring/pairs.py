"""Images and their masks, paired by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np

from inference.cli import escape_line, warn
from inference.errors import InputError
from inference.images.folders import PassedOver, describe_passed, find_images, list_images
from inference.images.formats import EXTRA_SUFFIXES, bare_name
from inference.images.pixels import read_image

Pairs = dict[str, tuple[Path, Path]]  # name -> image, true mask

NEAR, TWO_VALUED = 16, 0.99  # levels from black or white, and share of them in a mask, as JPEG too
SUFFIXES = ("_segmentation", "_mask", "_lesion")  # of masks: of ISIC, of many, of PH2


def find_pairs(images: Path, masks: Path) -> Pairs:
    """Finds the image and the true mask of every name; warns of images that are not taken.

    Both may lie in one folder; files that are the masks of others there are no images then.

    Raises:
        InputError: an image has no mask, or a mask has no image, or an image would be its own mask.
    """
    warn_of_passed(images)
    names = index_images(images)
    if images.resolve() == masks.resolve():
        names = {
            name: path
            for name, path in names.items()
            if image_name(path) == name or image_name(path) not in names
        }
    truths = index_masks(masks, names)
    require_same_names(names, truths, images, masks)
    for name, path in names.items():
        if path.resolve() == truths[name].resolve():
            raise InputError(f"{path}: is both image and mask; give the folder of the masks")
    return {name: (path, truths[name]) for name, path in names.items()}


def require_photos(pairs: Pairs) -> None:
    """Raises InputError if the first image is a mask or a map, which a model would be run on in vain."""
    path = next(image for image, _ in pairs.values())
    pixels = read_image(path)
    grey = np.ptp(pixels, axis=2).max() == 0
    dark, light = np.mean(pixels < NEAR), np.mean(pixels > 255 - NEAR)
    two_valued = min(dark, light) > 0 and dark + light > TWO_VALUED
    if grey and (two_valued or image_name(path) != pairing_name(path)):
        raise InputError(
            f"{path}: looks like a mask, not a photo; to score masks, give the folder of the photos, "
            "that of the true masks, and --predictions MASKS"
        )


def warn_of_passed(folder: Path) -> None:
    """Says on one line which files of a folder look like images or may hold some and are not taken."""
    passed: list[PassedOver] = []
    if folder.is_dir():
        list_images(folder, passed)
    if passed:
        warn(escape_line(describe_passed(passed)))


def pair_up(folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Groups a flat list, images masks images masks ..., into pairs of folders.

    Raises:
        InputError: none are given, or one is left over.
    """
    if not folders:
        raise InputError("no folders given: give images and masks, as in data/test data/test_GT")
    if len(folders) % 2:
        raise InputError(
            f"{len(folders)} folders: images and masks come in pairs, as in data/test data/test_GT; "
            "add the missing one"
        )
    return list(zip(folders[::2], folders[1::2]))


def require_same_names(
    images: Iterable[str], masks: Iterable[str], image_folder: Path, mask_folder: Path
) -> None:
    """Raises InputError unless every image has a mask and every mask an image."""
    for has, lacks, here, there in (
        (set(images), set(masks), image_folder, mask_folder),
        (set(masks), set(images), mask_folder, image_folder),
    ):
        if alone := sorted(has - lacks):
            raise InputError(
                f"{there}: {len(alone)} of the names in {here} are missing, the first is {alone[0]}; "
                "images and masks must match one to one, and the mask of NAME is named "
                f"{', '.join(f'NAME{end}' for end in SUFFIXES)} or NAME: add the missing ones or remove "
                "the others"
            )


def index_images(folder: Path) -> dict[str, Path]:
    """Maps names to the image files in a folder and all its subfolders, sorted: NAME.jpg.

    Raises:
        InputError: no such folder, no image in it, or two images have the same name.
    """
    return index(folder, {path: pairing_name(path) for path, _ in find_images([folder])})


def index_masks(folder: Path, images: Collection[str] = ()) -> dict[str, Path]:
    """Maps the names of images to their masks: NAME_segmentation.png (or another of SUFFIXES), NAME.png.

    If there are files of the first kind, all others (overlays, sheets) are ignored.

    Args:
        images: names of the images, where they are known.

    Raises:
        InputError: no such folder, no mask in it, or two masks have the same name.
    """
    found = without_twins(path for path, _ in find_images([folder]))
    names = {path: image_name(path, "", images) for path in found}
    marked = {path: name for path, name in names.items() if name != pairing_name(path)}
    return index(folder, marked or names)


def without_twins(masks: Iterable[Path]) -> list[Path]:
    """Leaves a DICOM SEG out where the same mask lies beside it as PNG: `segment` writes both."""
    files = dict.fromkeys(masks)
    return [
        path
        for path in files
        if path.suffix.lower() not in EXTRA_SUFFIXES["DICOM"]
        or path.with_suffix(".png") not in files
    ]


def index(folder: Path, names: dict[Path, str]) -> dict[str, Path]:
    """Inverts file -> name; raises InputError if two files have the same name."""
    if not folder.is_dir():
        raise InputError(f"{folder}: must be a folder; give the one that holds the files")
    files: dict[str, Path] = {}
    for path, name in sorted(names.items()):
        if name in files:
            raise InputError(f"{files[name]} and {path} are both named {name}; keep one of them")
        files[name] = path
    return files


def pairing_name(path: Path) -> str:
    """The bare name by which files are paired: macOS writes ä as two characters, other systems as one."""
    return normalize("NFC", bare_name(path))


def image_name(mask: Path, suffix: str = "", images: Collection[str] = ()) -> str:
    """The name of the image to which a mask file belongs.

    Args:
        suffix: what masks end in; empty: one of SUFFIXES.
        images: pairing names of images; a mask may be named as its image is, whatever that ends in.
    """
    name = pairing_name(mask)
    if name in images and not suffix:
        return name
    suffixes = [normalize("NFC", suffix)] if suffix else SUFFIXES
    found = (end for end in suffixes if name.lower().endswith(end.lower()))
    return name[: -len(next(found, "")) or None]
