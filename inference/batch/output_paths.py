"""Where the files of each image go in the output folder."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from inference.errors import InputError
from inference.images.pixels import Source


def name_outputs(images: Sequence[tuple[Source, Path]], output: Path) -> dict[Source, Path]:
    """Gives each image the path of its files, relative to `output` and without their endings.

    Images inside `output` are left out. Where a folder holds both a.jpg and a.png, the name keeps the
    suffix. Files of the same name that are given one by one keep their folders.

    Raises:
        InputError: two images would write the same file, or no image is left.
    """
    inside = output.resolve()
    images = [image for image in images if not is_inside(inside, image[0])]
    if not images:
        raise InputError(f"{output}: holds all the images given; choose another --output folder")
    places = tell_apart(images)
    taken = Counter(relative.parent / relative.stem for relative in places.values())
    stems: dict[Source, Path] = {}
    owners: dict[Path, Source] = {}
    for image, relative in places.items():
        if ".." in relative.parts:
            raise InputError(
                f"{image}: its results would be outside {output}; give its path without .."
            )
        stem = relative.with_suffix("")
        stem = relative if taken[stem] > 1 else stem
        if stem in owners:
            raise InputError(
                f"{owners[stem]} and {image} would write the same mask: names must differ; "
                "segment them into two --output folders"
            )
        owners[stem], stems[image] = image, stem
    return stems


def is_inside(folder: Path, source: Source) -> bool:
    """True for a file in a resolved folder or below it."""
    # The folder is resolved, not the file, which may be a broken or circular link.
    return isinstance(source, Path) and folder in (source.parent.resolve() / source.name).parents


def tell_apart(images: Sequence[tuple[Source, Path]]) -> dict[Source, Path]:
    """Files with the same relative path get one relative to their common folder."""
    alike: dict[Path, list[Source]] = defaultdict(list)
    for source, relative in images:
        alike[relative].append(source)
    places = dict(images)
    for sources in alike.values():
        # Not `absolute`, which keeps `..`: results must stay below --output.
        files = {
            source: Path(os.path.abspath(source)) for source in sources if isinstance(source, Path)
        }
        if 1 < len(files) == len(sources):
            common = os.path.commonpath(file.parent for file in files.values())
            places.update({source: path.relative_to(common) for source, path in files.items()})
    return places
