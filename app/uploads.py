"""What visitors upload: images, and zips of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inference.batch.writer import Failure
from inference.errors import InputError
from inference.images.find import list_members
from inference.images.pixels import Source


def find_uploads(paths: Sequence[Path]) -> tuple[list[tuple[Source, Path]], list[Failure]]:
    """The images among uploads, those in zips included, each with a name of its own.

    An upload is an image or a zip, and nothing else: no list, folder or address, which would let a
    visitor read what is on the server or near it.
    """
    sources: dict[Path, Source] = {}
    failures = []
    for path in paths:
        try:
            zipped = path.suffix.lower() == ".zip"
            found = list(list_members(path)) if zipped else [(path, Path(path.name))]
        except InputError as error:
            failures.append(Failure(path.name, tell_reason(str(error), path)))
            continue
        for source, relative in found:
            name, number = Path(path.stem, relative) if zipped else relative, 1
            while name in sources:
                number += 1
                name = Path(f"{path.stem}-{number}", relative)
            sources[name] = source
    return [(source, name) for name, source in sources.items()], failures


def tell_reason(error: str, source: Source) -> str:
    """An error without the place on the server that it begins with."""
    return error.removeprefix(f"{source}: ")
