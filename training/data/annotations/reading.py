"""Annotation files of any format to masks: one PNG for each image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from unicodedata import normalize
from xml.etree import ElementTree

import numpy as np

from inference.cli import escape_line, track, warn
from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.limits import require_pixels
from inference.images.pixels import holds_mask, read_image
from inference.masks.png import write_mask
from inference.scoring.pairs import pairing_name
from training.data.annotations.annotated import BROKEN, Annotated, Shape
from training.data.annotations.coco import read_coco
from training.data.annotations.cvat import read_cvat
from training.data.annotations.labelme import read_labelme
from training.data.annotations.labelstudio import read_label_studio

FORMATS = (
    "COCO instances (JSON), CVAT for images 1.1 (XML), labelme (a JSON file or a folder of them) or "
    "Label Studio (JSON)"
)


def draw_annotations(
    source: Path, classes: Sequence[str], folder: Path, images: Path | None = None
) -> list[str]:
    """Draws the masks of an annotation file into a folder, as NAME_segmentation.png, and no others.

    Masks of an earlier call are removed. Shapes of a kind that is not drawn are counted in a warning.

    Args:
        classes: which shapes are lesion, by the names of their classes; without any, the only class.
        images: the folder of the images, which tell their size where the file does not.

    Returns:
        A line for each image with a broken shape, or of unknown size; like those without shapes, it has
        no mask.

    Raises:
        InputError: the file cannot be read, has no such class, or two images of one name, or no mask
            can be drawn.
    """
    annotated = read_annotations(source)
    warn_of_left_out(source, annotated)
    chosen = choose_classes(source, annotated, classes)
    drawn, problems = set(), []
    names = Counter(name_of(image.file) for image in annotated)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{source}: has {names[twice[0]]} images named {twice[0]}; rename one")
    pictures = {} if all(image.size for image in annotated) else index_pictures(images)
    for image in track(annotated, "drawing masks", len(annotated)):
        shapes = [shape for shape in image.shapes if shape.name in chosen]
        target = folder / f"{name_of(image.file)}_segmentation.png"
        if not shapes:
            problems.append(
                f"{image.file}: nothing of the class {', '.join(sorted(chosen))} is on it"
            )
            continue
        try:
            mask = draw_shapes(shapes, *(image.size or read_size(image.file, pictures)))
            if not (target.is_file() and holds_mask(target, mask)):
                write_mask(target, mask)  # fails for a name that no file can have
        except BROKEN as error:
            problems.append(f"{image.file}: cannot be drawn ({describe(error)})")
            continue
        drawn.add(target)
    if not drawn:
        raise InputError(f"{source}: no mask can be drawn; the first problem: {problems[0]}")
    for path in folder.glob("*_segmentation.png"):
        if path not in drawn:
            path.unlink()
    return problems


def warn_of_left_out(source: Path, annotated: Iterable[Annotated]) -> None:
    """Says on a line for each kind how many shapes are not drawn."""
    kinds = Counter(kind for image in annotated for kind in image.left_out)
    for kind, count in sorted(kinds.items()):
        warn(
            escape_line(
                f"warning: {source}: {count} shapes of kind {kind} were left out; outline lesions with "
                "polygons, ellipses or masks"
            )
        )


def describe(error: Exception) -> str:
    """What is wrong, on one line."""
    return f"lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())


def read_annotations(source: Path) -> list[Annotated]:
    """Reads the images of an annotation file, whose format shows in its content.

    Raises:
        InputError: no such file, or of no format that is known.
    """
    if source.is_dir():
        files = sorted(source.rglob("*.json"))
        if not files:
            raise InputError(f"{source}: has no JSON file; give a file of {FORMATS}")
        return [image for file in files for image in read_annotations(file)]
    try:
        content = source.read_bytes()
        if content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            return list(read_cvat(ElementTree.fromstring(content)))
        return list(read_json(json.loads(content.decode("utf-8-sig"))))
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); check the path") from error
    except (*BROKEN, RecursionError, ElementTree.ParseError) as error:
        raise InputError(
            f"{source}: cannot be understood ({describe(error)}); give {FORMATS}"
        ) from error


def read_json(content: Any) -> Iterable[Annotated]:
    """The images of a parsed JSON file."""
    if isinstance(content, list):
        return read_label_studio(content)
    if "shapes" in content:
        return [read_labelme(content)]
    return read_coco(content)


def choose_classes(
    source: Path, annotated: Iterable[Annotated], classes: Sequence[str]
) -> set[str]:
    """The classes that are lesion.

    Raises:
        InputError: one is not there, or there are several to choose from.
    """
    known = sorted({shape.name for image in annotated for shape in image.shapes})
    if not known:
        raise InputError(f"{source}: contains no outlines; export it with its polygons or masks")
    if not classes and len(known) > 1:
        raise InputError(
            f"{source}: has the classes {', '.join(known)}; name those that are lesion with --classes"
        )
    if lacking := [name for name in classes if name not in known]:
        raise InputError(
            f"--classes {lacking[0]}: {source} has {', '.join(known)}; choose from these"
        )
    return {*classes} or {*known}


def draw_shapes(shapes: Iterable[Shape], height: int, width: int) -> np.ndarray:
    """The union of shapes: (height, width) bool.

    Raises one of BROKEN if the image has too many pixels, or a shape is damaged.
    """
    require_pixels(height, width)
    mask = np.zeros((height, width), bool)
    for shape in shapes:
        mask |= shape.draw(height, width)
    return mask


def index_pictures(folder: Path | None) -> dict[str, Path]:
    """The images in a folder and below it, by the names that pair them with masks."""
    found = list_images(folder, []) if folder else []
    return {pairing_name(path): path for path in found}


def read_size(file: str, pictures: Mapping[str, Path]) -> tuple[int, int]:
    """The (height, width) of an annotated image, from its own pixels.

    Raises:
        ValueError: it is not there, or cannot be read.
    """
    picture = pictures.get(normalize("NFC", name_of(file)))
    if not picture:
        raise ValueError("no size is given, and no image of this name is there to tell it")
    try:
        height, width, _ = read_image(picture).shape
    except OSError as error:
        raise ValueError(f"no size is given, and {picture} cannot be read") from error
    return height, width


def name_of(file: str) -> str:
    """The name of an image without folders and suffix, wherever the file was written."""
    return PurePosixPath(PureWindowsPath(file).name).stem
