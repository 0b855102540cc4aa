"""Where the files of each image go in the output folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from inference.errors import InputError
from inference.images.archives import Member
from inference.images.formats import bare_name
from inference.images.pixels import Source


def name_outputs(images: Sequence[tuple[Source, Path]], output: Path) -> dict[Source, Path]:
    """Gives each image the path of its files, relative to `output` and without their endings.

    Images inside `output` are left out. Where two would write the same file, nothing is refused:

    1. Files of one relative path keep their folders, members of archives get the archive's name before
       them, and what is still alike is numbered in the order given: a.png, a-2.png.
    2. Where a folder then holds a.jpg and a.png, the names keep their suffixes; so does a.jpg.webp beside
       them.

    Raises:
        InputError: no image is left, or a path leads out of `output`.
    """
    inside = output.resolve()
    images = [image for image in images if not is_inside(inside, image[0])]
    if not images:
        raise InputError(f"{output}: holds all the images given; choose another --output folder")
    places = tell_apart(images)
    for image, relative in places.items():
        if ".." in relative.parts:
            raise InputError(
                f"{image}: its results would be outside {output}; give its path without .."
            )
    return shorten(places)


def is_inside(folder: Path, source: Source) -> bool:
    """True for a file in a resolved folder or below it."""
    # The folder is resolved, not the file, which may be a broken or circular link.
    return isinstance(source, Path) and folder in (source.parent.resolve() / source.name).parents


def tell_apart(images: Sequence[tuple[Source, Path]]) -> dict[Source, Path]:
    """Gives each image a relative path of its own."""
    places = dict(images)
    for sources in find_alike(places):
        # Not `absolute`, which keeps `..`: results must stay below --output.
        files = {
            source: Path(os.path.abspath(source)) for source in sources if isinstance(source, Path)
        }
        if len(files) > 1:
            common = os.path.commonpath([file.parent for file in files.values()])
            places.update({source: path.relative_to(common) for source, path in files.items()})
        for source in sources:
            if isinstance(source, Member):
                places[source] = Path(source.archive.stem, places[source])
    taken = set(places.values())
    for sources in find_alike(places):
        for source in sources[1:]:
            relative, number = places[source], 1
            while places[source] in taken:
                number += 1
                places[source] = relative.with_stem(f"{relative.stem}-{number}")
            taken.add(places[source])
    return places


def find_alike(places: dict[Source, Path]) -> list[list[Source]]:
    """The images that share a relative path, grouped."""
    alike: dict[Path, list[Source]] = defaultdict(list)
    for source, relative in places.items():
        alike[relative].append(source)
    return [sources for sources in alike.values() if len(sources) > 1]


def shorten(places: dict[Source, Path]) -> dict[Source, Path]:
    """Leaves out the suffixes where the paths stay apart without them."""
    stems = {source: relative.with_name(bare_name(relative)) for source, relative in places.items()}
    while alike := find_alike(stems):
        # Whole paths differ, so each round restores one at least.
        for sources in alike:
            stems.update({source: places[source] for source in sources})
    return stems


def refuse_links(output: Path, stem: Path) -> None:
    """Raises InputError if a folder on the way to an image's files is a link: it may lead anywhere."""
    for parent in stem.parents[:-1]:
        if (output / parent).is_symlink():
            raise InputError(
                f"{output / parent}: is a link in the output folder, which is not followed; delete it, "
                "or give another --output folder"
            )
