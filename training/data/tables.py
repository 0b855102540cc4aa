"""Tables that a user may give: groups, splits, and pairs of image and mask, as CSV files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

from inference.errors import InputError
from inference.files import write_bytes
from inference.images.formats import is_image
from training.data.folders import SPLIT_WORDS
from training.data.pairs import Pair, require_own_keys


def read_rows(path: Path, *columns: str) -> list[dict[str, str]]:
    """Reads a CSV file that must have these columns; it may start with a byte order mark, or be UTF-16.

    Spaces around cells do not count.

    Raises:
        InputError: no such file, no CSV, other columns, no row, or a cell of a column is missing.
    """
    needed = " and ".join(columns)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a CSV file with the columns {needed}")
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = io.StringIO(data.decode(encoding), newline="")
        lines = [line for line in csv.reader(text, skipinitialspace=True, strict=True) if line]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(
            f"{path}: not a CSV file ({error}); quotes enclose whole cells: close or remove them"
        ) from error
    return take_rows(path, [[cell.strip() for cell in line] for line in lines], columns)


def read_own_rows(path: Path, *columns: str) -> list[dict[str, str]]:
    """Reads a CSV file that `write_rows_once` wrote: names as they are, UTF-8 or not.

    Raises:
        InputError: it has other columns, or no row.
    """
    text = io.StringIO(path.read_bytes().decode("utf-8", "surrogateescape"), newline="")
    return take_rows(path, list(csv.reader(text)), columns)


def take_rows(
    path: Path, lines: Sequence[Sequence[str]], columns: Sequence[str]
) -> list[dict[str, str]]:
    """The rows of a table, the first of whose lines names the columns; these must be there.

    Raises:
        InputError: they are not, or there is no row, or one that is too short.
    """
    needed = " and ".join(columns)
    names, *cells = lines or [[]]
    if not set(columns) <= set(names):
        raise InputError(f"{path}: has the columns {names}, not {needed}; add them")
    rows = [dict(zip(names, line)) for line in cells]
    if not rows:
        raise InputError(f"{path}: has no rows; write one for each image: {','.join(columns)}")
    for row in rows:
        if not set(columns) <= row.keys():
            raise InputError(f"{path}: a line has no {needed}: {row}; complete it")
    return rows


def write_rows_once(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], otherwise: str
) -> None:
    """Writes a CSV file; one that is already there must be the same.

    Raises:
        InputError: it is not; `otherwise` says what that means.
    """
    data = "".join(map(format_row, (columns, *rows))).encode("utf-8", "surrogateescape")
    if path.exists():
        if path.read_bytes() != data:
            raise InputError(otherwise)
        return
    write_bytes(path, data)


def format_row(row: Sequence[object]) -> str:
    """A line of a CSV file, which ends in a line feed; cells with a carriage return are quoted too."""
    text = io.StringIO(newline="")
    # Up to Python 3.12, csv quotes a carriage return only if lines end in one.
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


def image_of(cell: str) -> str:
    """The pairing name of an image in a table, which may have folders and its suffix."""
    path = Path(normalize("NFC", cell))
    return path.stem if is_image(path) else path.name


def read_groups(path: Path) -> list[set[str]]:
    """Reads groups of names from a CSV file with the columns name and group.

    Raises:
        InputError: no such file, other columns, or no row.
    """
    groups: dict[str, set[str]] = {}
    for row in read_rows(path, "name", "group"):
        if row["group"]:  # an empty cell: no group
            groups.setdefault(row["group"], set()).add(image_of(row["name"]))
    return list(groups.values())


def read_splits(path: Path) -> dict[str, str]:
    """Reads the split of each name from a CSV file with the columns name and split.

    Raises:
        InputError: no such file, other columns, no row, an unknown split, or a name in two of them.
    """
    splits: dict[str, str] = {}
    for row in read_rows(path, "name", "split"):
        name, split = image_of(row["name"]), parse_split(path, row["split"])
        if splits.setdefault(name, split) != split:
            raise InputError(f"{path}: {name} is in {splits[name]} and in {split}; keep one line")
    return splits


def remark_on_strangers(table: Path, names: Iterable[str], pairs: Iterable[Pair]) -> list[str]:
    """What a user should know about names in a table that are no image's."""
    strangers = sorted({*names} - {pair.name for pair in pairs})
    if not strangers:
        return []
    return [
        f"warning: {table}: {len(strangers)} names match no image, the first is {strangers[0]!r}; write "
        "them as the files are named, capitals and small letters too"
    ]


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
        InputError: no such file, other columns, no row, an empty cell, or an image that is listed twice.
    """
    rows = read_rows(path, "image", "mask")
    stems = Counter(Path(row["image"]).stem for row in rows)
    pairs = []
    for row in rows:
        if not (row["image"] and row["mask"]):
            raise InputError(f"{path}: a line lacks its image or mask: {row}; complete it")
        image = Path(row["image"])
        alike = stems[image.stem] > 1
        own = "_".join(image.with_suffix("").parts).strip("/._") if alike else image.stem
        name = normalize("NFC", own)
        split = parse_split(path, row["split"]) if row.get("split") else ""
        pairs.append(Pair("", name, path.parent / image, path.parent / row["mask"], split))
    require_own_keys(pairs)
    return pairs
