"""Finding images and masks on disk, and writing files that are whole or not there at all."""

from __future__ import annotations

import glob
import os
import re
import socket
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.command import InputError

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jp2 .png .bmp .dib .tif .tiff .webp .gif .pbm .pgm .ppm .avif".split()
)
# Other machines may write to the same folder: their processes' numbers say nothing here.
MACHINE = f"{zlib.crc32(socket.gethostname().encode()):08x}"
TEMPORARY = re.compile(
    rf"\..+\.{MACHINE}-(\d{{1,7}})\.partial(\.\w+)?"
)  # as `replacing` names them


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, and renames it to `path` if the block succeeds.

    So `path` is never half-written: a block that fails leaves what was there before. The temporary
    name keeps the suffix, by which encoders choose the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{MACHINE}-{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say what it is full for
        raise
    finally:
        temporary.unlink(missing_ok=True)


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


def index_images(folder: Path) -> dict[str, Path]:
    """Maps names to image files below a folder, sorted: NAME.jpg.

    Raises:
        InputError: `folder` does not exist or holds no image, or two images have one name.
    """
    return index(folder, {path: path.stem for path, _ in find_images([folder])})


def index_masks(folder: Path) -> dict[str, Path]:
    """Maps the names of images to their masks: NAME_segmentation.png, NAME_mask.png or NAME.png.

    Where there are files of the first two kinds, all others (overlays, sheets) are passed over.

    Raises:
        InputError: `folder` does not exist or holds no mask, or two masks are for one name.
    """
    names = {path: image_name(path) for path, _ in find_images([folder])}
    marked = {path: name for path, name in names.items() if name != path.stem}
    return index(folder, marked or names)


def index(folder: Path, names: dict[Path, str]) -> dict[str, Path]:
    """Turns file -> name round, refusing a name that two files have."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; give a folder")
    files: dict[str, Path] = {}
    for path, name in sorted(names.items()):
        if name in files:
            raise InputError(f"{files[name]} and {path} are both for {name}; keep one of them")
        files[name] = path
    return files


def image_name(mask: Path) -> str:
    """The name of the image that a mask file belongs to."""
    return re.sub(r"(_segmentation|_mask)$", "", mask.stem, flags=re.IGNORECASE)
