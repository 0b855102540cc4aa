"""What an image file is, and where they are: files, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from inference.errors import InputError

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jp2 .png .bmp .dib .tif .tiff .webp .gif .pbm .pgm .ppm .avif".split()
)


def is_image(path: Path) -> bool:
    """True for a visible file with an image's suffix."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted; hidden files and folders are passed over.

    Links to folders are followed, but not round in a circle.

    Raises:
        OSError: a folder cannot be read.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = sorted(
            name for name in folders if not (name.startswith(".") or is_loop(Path(parent, name)))
        )
        found += [Path(parent, name) for name in sorted(names) if is_image(Path(name))]
    return found


def fail(error: OSError) -> None:
    raise error


def is_loop(folder: Path) -> bool:
    """True for a link to a folder that the path to the link has come through."""
    return folder.is_symlink() and any(map(folder.samefile, folder.parents))


def find_images(inputs: Iterable[str | Path]) -> list[tuple[Path, Path]]:
    """Expands files, folders (recursively) and glob patterns to (image, path relative to its root).

    A file's root is its own folder, a folder's root is the folder, a pattern's root is the part
    before its first wildcard. An image that is named twice is returned once.

    Raises:
        InputError: an input does not exist, or there is no image in it.
    """
    found: dict[Path, Path] = {}
    for given in map(str, inputs):
        path = Path(given)
        if path.is_dir():
            root, images = path, list_images(path)
        elif path.exists() or path.is_symlink():
            root, images = path.parent, [path]
        else:
            root = fixed_part(given)
            matches = sorted(map(Path, glob.glob(given, recursive=True)))
            if not matches:
                raise InputError(f"{given}: no such file, folder or pattern; check the spelling")
            images = [match for match in matches if match.is_file() and is_image(match)]
            images += [image for match in matches if match.is_dir() for image in list_images(match)]
        if not images:
            raise InputError(f"{given}: holds no image; give images ({image_suffixes()})")
        for image in images:
            found.setdefault(image, image.relative_to(root))
    return list(found.items())


def fixed_part(pattern: str) -> Path:
    """The folder of a glob pattern that comes before its first wildcard."""
    parts = Path(pattern).parts
    wild = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:wild])


def image_suffixes() -> str:
    return " ".join(sorted(IMAGE_SUFFIXES))
