"""Tables that a user may give: groups, splits, and pairs of image and mask, as CSV files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from inference.errors import InputError
from inference.files import replacing
from inference.images.formats import is_image
from training.data.folders import SPLIT_WORDS
from training.data.pairs import Pair, require_own_keys


def read_rows(path: Path, *columns: str) -> list[dict[str, str]]:
    """Reads a CSV file that must have these columns; it may start with a byte order mark, or be UTF-16.

    Raises:
        InputError: no such file, other columns, or a cell of one of the columns is missing.
    """
    needed = " and ".join(columns)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a CSV file with the columns {needed}")
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        table = csv.DictReader(data.decode(encoding).splitlines(), skipinitialspace=True)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    if not set(columns) <= set(table.fieldnames or ()):
        raise InputError(f"{path}: has the columns {table.fieldnames}, not {needed}; add them")
    rows = list(table)
    for row in rows:
        if any(row[column] is None for column in columns):
            raise InputError(f"{path}: a line has no {needed}: {row}; complete it")
    return rows


def write_rows_once(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], otherwise: str
) -> None:
    """Writes a CSV file; one that is already there must be the same.

    Raises:
        InputError: it is not; `otherwise` says what that means.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    if path.exists():
        if path.read_text(encoding="utf-8", errors="surrogateescape") != text.getvalue():
            raise InputError(otherwise)
        return
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape")


def image_of(cell: str) -> str:
    """The name of an image in a table, with or without its suffix."""
    return Path(cell).stem if is_image(Path(cell)) else cell


def read_groups(path: Path) -> list[set[str]]:
    """Reads groups of names from a CSV file with the columns name and group.

    Raises:
        InputError: no such file, or other columns.
    """
    groups: dict[str, set[str]] = {}
    for row in read_rows(path, "name", "group"):
        if row["group"]:  # an empty cell: no group
            groups.setdefault(row["group"], set()).add(image_of(row["name"]))
    return list(groups.values())


def read_splits(path: Path) -> dict[str, str]:
    """Reads the split of each name from a CSV file with the columns name and split.

    Raises:
        InputError: no such file, other columns, an unknown split, or a name in two of them.
    """
    splits: dict[str, str] = {}
    for row in read_rows(path, "name", "split"):
        name, split = image_of(row["name"]), parse_split(path, row["split"])
        if splits.setdefault(name, split) != split:
            raise InputError(f"{path}: {name} is in {splits[name]} and in {split}; keep one line")
    return splits


def parse_split(path: Path, cell: str) -> str:
    """The split that a cell names, in any of its usual words."""
    word = cell.strip().lower()
    if word not in SPLIT_WORDS:
        raise InputError(f"{path}: {cell!r} is not a split; write one of {', '.join(SPLIT_WORDS)}")
    return SPLIT_WORDS[word]


def read_pairs(path: Path) -> list[Pair]:
    """Reads pairs from a CSV file with the columns image and mask, and perhaps split.

    Paths are relative to the file. Images of one name are told apart by the names of their folders.

    Raises:
        InputError: no such file, other columns, no line, an empty cell, or an image that is listed twice.
    """
    rows = read_rows(path, "image", "mask")
    if not rows:
        raise InputError(f"{path}: has no rows; write one for each image: image,mask")
    stems = Counter(Path(row["image"]).stem for row in rows)
    pairs = []
    for row in rows:
        if not (row["image"] and row["mask"]):
            raise InputError(f"{path}: a line lacks its image or mask: {row}; complete it")
        image = Path(row["image"])
        alike = stems[image.stem] > 1
        name = "_".join(image.with_suffix("").parts).strip("/._") if alike else image.stem
        split = parse_split(path, row["split"]) if row.get("split") else ""
        pairs.append(Pair("", name, path.parent / image, path.parent / row["mask"], split))
    require_own_keys(pairs)
    return pairs
