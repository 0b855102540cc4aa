"""What visitors upload: images and zips of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inference.errors import InputError
from inference.images.archives import list_members
from inference.images.folders import PassedOver
from inference.images.pixels import Source
from inference.runtime.stream import Failure


def find_uploads(paths: Sequence[Path]) -> tuple[list[tuple[Source, Path]], list[Failure]]:
    """The images among the uploads, also those in zips, each with a unique name.

    An upload is an image or a zip and nothing else: a list, folder or address would let a visitor read
    what is on the server or near it.
    """
    sources: dict[Path, Source] = {}
    failures = []
    for path in paths:
        try:
            zipped = path.suffix.lower() == ".zip"
            passed = list[PassedOver]()
            found = list(list_members(path, passed)) if zipped else [(path, Path(path.name))]
            failures += [
                Failure(*(hide_path(text, path.parent) for text in (each.name, each.error)))
                for each in passed
            ]
        except InputError as error:
            failures.append(Failure(path.name, hide_path(str(error), path)))
            continue
        for source, relative in found:
            name, number = Path(path.stem, relative) if zipped else relative, 1
            while name in sources:
                number += 1
                name = Path(f"{path.stem}-{number}", relative)
            sources[name] = source
    return [(source, name) for name, source in sources.items()], failures


def hide_path(error: str, source: Source) -> str:
    """An error, or a name, without the path on the server."""
    return error.removeprefix(f"{source}: ").replace(f"{source}/", "")
