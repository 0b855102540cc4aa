"""How files, folders and patterns are searched for images."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from inference.errors import InputError
from inference.images.formats import (
    IMAGE_SUFFIXES,
    SNIFFED,
    UNREADABLE,
    explain_kind,
    is_image,
    is_image_inside,
    kind_passed_over,
    may_hold,
)


class PassedOver(NamedTuple):
    """A file that looks like an image or may hold some and is not taken; or a folder that is closed."""

    name: str
    kind: str

    @property
    def error(self) -> str:
        return f"{self.name}: {explain_kind(self.kind)}"


def list_images(folder: Path, passed: list[PassedOver] | None = None) -> list[Path]:
    """All image files in `folder` and its subfolders, sorted; hidden files and folders are ignored.

    Links to folders are followed, but not in circles.

    Args:
        passed: gets the other files that look like images, and the folders that cannot be read.

    Raises:
        OSError: a folder cannot be read, and `passed` is not given.
    """

    def pass_over(error: OSError) -> None:
        if passed is None:
            raise error
        passed.append(PassedOver(error.filename, UNREADABLE))

    found = []
    for parent, folders, names in os.walk(folder, onerror=pass_over, followlinks=True):
        folders[:] = sorted(
            name for name in folders if not (name.startswith(".") or is_loop(Path(parent, name)))
        )
        found += choose_images((Path(parent, name) for name in sorted(names)), passed)
    return found


def choose_images(paths: Iterable[Path], passed: list[PassedOver] | None) -> list[Path]:
    """The images among files; `passed` gets those that only look like images."""
    images = []
    for path in paths:
        if is_image(path) or is_image_inside(path, start := read_start(path)):
            images.append(path)
        elif passed is not None and (kind := kind_passed_over(path, start)):
            passed.append(PassedOver(str(path), kind))
    return images


def read_start(path: Path) -> bytes:
    """The first bytes of a file; none if it cannot be read or is no regular file."""
    try:
        if not path.is_file():  # a pipe would wait for its writer
            return b""
        with path.open("rb", buffering=0) as file:
            return file.read(SNIFFED)
    except OSError:
        return b""


def is_loop(folder: Path) -> bool:
    """True for a link to one of the folders that it is in."""
    return folder.is_symlink() and any(map(folder.samefile, folder.parents))


def find_images(
    inputs: Iterable[str | Path], passed: list[PassedOver] | None = None
) -> list[tuple[Path, Path]]:
    """Expands files, folders (recursively) and glob patterns to (image, path relative to its root).

    The root of a file is its folder, that of a folder is the folder itself, that of a pattern is the part
    before the first wildcard. An image that is named twice is returned once. A file that is named itself
    is taken whatever it is called.

    Args:
        passed: gets the files in folders, and of patterns, that look like images and are not taken, and
            the folders that cannot be read.

    Raises:
        InputError: an input does not exist, or has no image in it; or a folder cannot be read, and
            `passed` is not given.
    """
    found: dict[Path, Path] = {}
    for given in map(str, inputs):
        path, passed_here = Path(given), list[PassedOver]()
        if path.is_dir():
            root, images = path, list_images(path, passed_here)
        elif path.exists() or path.is_symlink():
            root, images = path.parent, [path]
        else:
            root = fixed_part(given)
            matches = sorted(map(Path, glob.glob(given, recursive=True)))
            if not matches:
                raise InputError(f"{given}: no such file, folder or pattern; check the spelling")
            folders = {match for match in matches if match.is_dir()}
            images = choose_images(
                (match for match in matches if match not in folders), passed_here
            )
            for match in sorted(folders):
                images += list_images(match, passed_here)
        require_images(given, images, passed_here)
        for image in images:
            found.setdefault(image, image.relative_to(root))
        if passed is not None:
            passed += passed_here
        elif closed := next((each for each in passed_here if each.kind == UNREADABLE), None):
            raise InputError(closed.error)
    return list(found.items())


def require_images(given: object, images: Iterable[object], passed: list[PassedOver]) -> None:
    """Raises InputError if there are no images, which says what there is instead."""
    if not images:
        instead = f"; {passed[0].error}" if passed else ""
        raise InputError(f"{given}: holds no image{instead}; give images ({image_suffixes()})")


def describe_passed(passed: Iterable[PassedOver]) -> str:
    """One line for all files and folders that were passed over."""
    each = list(dict.fromkeys(passed))
    kinds = ", ".join(sorted({one.kind for one in each}))
    holders = any(may_hold(one.kind) for one in each)
    what = "files or folders that may hold" if holders else "files that look like"
    return (
        f"skipped {what} images but cannot be used: {len(each)} ({kinds}), "
        f"the first is {each[0].error}"
    )


def fixed_part(pattern: str) -> Path:
    """The part of a glob pattern before its first wildcard."""
    parts = Path(pattern).parts
    wild = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:wild])


def image_suffixes() -> str:
    return " ".join(sorted(IMAGE_SUFFIXES))
