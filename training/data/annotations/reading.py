"""Annotation files of any format to masks: one PNG for each image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from inference.cli import track
from inference.errors import InputError
from inference.images.pixels import holds_mask
from inference.masks.png import write_mask
from training.data.annotations.annotated import Annotated, Shape
from training.data.annotations.coco import read_coco
from training.data.annotations.cvat import read_cvat
from training.data.annotations.labelme import read_labelme
from training.data.annotations.labelstudio import read_label_studio

FORMATS = (
    "COCO instances (JSON), CVAT for images 1.1 (XML), labelme (a JSON file or a folder of them) or "
    "Label Studio (JSON)"
)


def draw_annotations(source: Path, classes: Sequence[str], folder: Path) -> list[str]:
    """Draws the masks of an annotation file into a folder, as NAME_segmentation.png.

    Args:
        classes: which shapes are lesion, by the names of their classes; without any, the only class.

    Returns:
        A line for each image with a broken shape; like those without shapes, it has no mask.

    Raises:
        InputError: the file cannot be read, has no such class, or two images of one name.
    """
    annotated = read_annotations(source)
    chosen = choose_classes(source, annotated, classes)
    problems, names = [], Counter(name_of(image.file) for image in annotated)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{source}: has {names[twice[0]]} images named {twice[0]}; rename one")
    for image in track(annotated, "drawing masks", len(annotated)):
        shapes = [shape for shape in image.shapes if shape.name in chosen]
        target = folder / f"{name_of(image.file)}_segmentation.png"
        try:
            mask = draw_shapes(shapes, image.height, image.width)
        except (ValueError, TypeError) as error:
            problems.append(f"{image.file}: {error}")
            continue
        if not shapes:
            problems.append(
                f"{image.file}: nothing of the class {', '.join(sorted(chosen))} is on it"
            )
        elif not (target.is_file() and holds_mask(target, mask)):
            write_mask(target, mask)
    return problems


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
    except (ValueError, KeyError, TypeError, AttributeError, ElementTree.ParseError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{source}: cannot be understood ({reason}); give {FORMATS}") from error


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
    """The union of shapes: (height, width) bool."""
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height} x {width} pixels")
    mask = np.zeros((height, width), bool)
    for shape in shapes:
        mask |= shape.draw(height, width)
    return mask


def name_of(file: str) -> str:
    """The name of an image without folders and suffix, wherever the file was written."""
    return PurePosixPath(PureWindowsPath(file).name).stem
