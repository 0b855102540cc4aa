"""What counts as an image file, and how files, folders and patterns are searched."""

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
    """True for a name with an image suffix that is not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path) -> list[Path]:
    """All image files in `folder` and its subfolders, sorted; hidden files and folders are ignored.

    Links to folders are followed, but not in circles.

    Raises:
        OSError: a folder cannot be read.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=raise_error, followlinks=True):
        folders[:] = sorted(
            name for name in folders if not (name.startswith(".") or is_loop(Path(parent, name)))
        )
        found += [Path(parent, name) for name in sorted(names) if is_image(Path(name))]
    return found


def raise_error(error: OSError) -> None:
    raise error


def is_loop(folder: Path) -> bool:
    """True for a link to one of the folders that it is in."""
    return folder.is_symlink() and any(map(folder.samefile, folder.parents))


def find_images(inputs: Iterable[str | Path]) -> list[tuple[Path, Path]]:
    """Expands files, folders (recursively) and glob patterns to (image, path relative to its root).

    The root of a file is its folder, that of a folder is the folder itself, that of a pattern is the part
    before the first wildcard. An image that is named twice is returned once.

    Raises:
        InputError: an input does not exist, or has no image in it.
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
    """The part of a glob pattern before its first wildcard."""
    parts = Path(pattern).parts
    wild = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:wild])


def image_suffixes() -> str:
    return " ".join(sorted(IMAGE_SUFFIXES))
