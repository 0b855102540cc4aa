"""Turns raw folders of images and masks into a checked, split and cached data set.

    python -m training.prepare ISIC2018/ data/
    python -m training.prepare photos/ data/ --masks outlines/
    python -m training.prepare ISIC2018/ data/ --also frames/

    data/train  train_GT  valid  valid_GT  test  test_GT   the files, copied
    data/frames/train ...                                  a further source, laid out alike
    data/cache/train-224-images.npy ...                    resized once: no epoch decodes a file
    data/manifest.csv                                      split, group, size and hashes by name

Interrupted, it goes on where it was; run again, it changes nothing.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Container
from itertools import product
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inference.cli import run
from inference.errors import InputError
from inference.files import replacing
from inference.images.folders import list_images
from inference.machine import usable_cores
from training.data.cache import open_split
from training.data.pairs import Inspection, Pair, find_pairs, inspect_all
from training.data.split import SPLITS, find_near_duplicates, group_names, read_groups, split_groups
from training.networks.unet import MULTIPLE


class Entry(NamedTuple):
    """A line of manifest.csv: sizes in pixels, hashes in hexadecimal digits."""

    name: str
    source: str
    split: str
    group: str
    width: int
    height: int
    sha256: str
    mask_sha256: str
    phash: str


def prepare(
    raw: Annotated[Path, tyro.conf.Positional],
    data: Annotated[Path, tyro.conf.Positional],
    masks: Path | None = None,
    also: tuple[Path, ...] = (),
    groups: Path | None = None,
    size: int = 224,
    seed: int = 0,
    workers: int = 0,
) -> int:
    """Check, split (70/10/20) and cache folders of images and masks for training.

    Exit code: 0 if every pair is in, 1 if broken ones were left out (each is named), 2 for bad input.

    Args:
        raw: Folder of the images, and of their masks unless --masks is given: the folder that the
            challenge's archives were unpacked in.
        data: Folder to write the data set to.
        masks: Folder of the masks, named NAME_segmentation.png, NAME_mask.png or NAME.png.
        also: Further raw folders. An image goes to the split of the image of the same name in the
            other folders, as it is of the same lesion.
        groups: CSV of name,group: photographs of one lesion, to be kept on one side of the split.
            Near duplicates that are found by perceptual hash are added to them.
        size: Side in pixels of the cached images: the --size of the training.
        seed: Another seed is another split; the same seed is the same split on every machine.
        workers: Threads that read images; 0 is one a core.
    """
    if size < 1 or size % MULTIPLE or workers < 0:
        raise InputError(
            f"--size {size} --workers {workers}: a multiple of {MULTIPLE}, and at least 0; leave them out"
        )
    for folder in filter(None, (raw, masks, *also)):
        if folder.resolve() in (data.resolve(), *data.resolve().parents):
            raise InputError(f"{data}: lies in {folder}, the raw data; give a folder elsewhere")
    sources = [folder.resolve().name for folder in also]
    taken = {"cache", *SPLITS, *(f"{split}_GT" for split in SPLITS)}
    if len({*sources, *taken}) < len(sources) + len(taken):
        raise InputError(f"--also {' '.join(sources)}: folders of different names are needed")
    workers = workers or usable_cores()
    known_groups = read_groups(groups) if groups else []
    pairs, problems = find_pairs(raw, masks)
    for folder, source in zip(also, sources):
        more, unpaired = find_pairs(folder, source=source)
        pairs, problems = pairs + more, problems + unpaired

    data.mkdir(parents=True, exist_ok=True)
    inspections = inspect_all(pairs, data / ".inspections.jsonl", workers)
    inspected = dict(zip(pairs, inspections))
    whole = {pair: found for pair, found in inspected.items() if not found.problem}
    problems += [
        f"{pair.key}: {found.problem}" for pair, found in inspected.items() if found.problem
    ]
    if len({pair.name for pair in whole}) < len(SPLITS):
        raise InputError(
            f"{raw}: {len(whole)} whole pairs of image and mask; a split needs 3 at least"
            + (f"; the first problem: {problems[0]}" if problems else "")
        )
    manifest = make_manifest(whole, known_groups, seed)
    places = {}
    for pair, entry in zip(whole, manifest):
        folder = data / pair.source
        mask_name = f"{pair.name}_segmentation{pair.mask.suffix}"
        places[folder / entry.split / pair.image.name] = pair.image
        places[folder / f"{entry.split}_GT" / mask_name] = pair.mask
    if not (data / "manifest.csv").exists():
        refuse_strangers(data, ["", *sources], places)
    write_manifest(data / "manifest.csv", manifest)
    for target, source_file in places.items():
        place(source_file, target)
    for split in SPLITS:
        open_split(data, split, size, workers)

    console = Console(highlight=False, soft_wrap=True)
    console.print(tabulate(manifest))
    for problem in problems:
        console.print(f"left out: {problem}", markup=False)
    if problems:
        console.print(
            f"to bring them in, mend them and prepare a new folder: {data} keeps its split"
        )
    return 1 if problems else 0


def make_manifest(
    whole: dict[Pair, Inspection], known_groups: list[set[str]], seed: int
) -> list[Entry]:
    """Groups and splits the inspected pairs, by the name of the image: an entry each, in order."""
    names = {pair.key: pair.name for pair in whole}
    hashes = {pair.key: found.phash for pair, found in whole.items()}
    if known_groups and not set().union(*known_groups) & set(names.values()):
        raise InputError("--groups: names none of the images; give names as in ISIC_0000000")
    alike = [{names[key] for key in pair} for pair in find_near_duplicates(hashes)]
    groups = group_names(names.values(), known_groups + alike)
    splits = split_groups(groups, seed)
    return [
        Entry(
            pair.name, pair.source, splits[pair.name], groups[pair.name],
            found.width, found.height, found.sha256, found.mask_sha256, found.phash,
        )
        for pair, found in whole.items()
    ]  # fmt: skip


def write_manifest(path: Path, manifest: list[Entry]) -> None:
    """Writes the manifest; one that is already there must be the same.

    Raises:
        InputError: the folder holds another split.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Entry._fields)
    writer.writerows(manifest)
    if path.exists():
        if path.read_text(encoding="utf-8", errors="surrogateescape") != text.getvalue():
            raise InputError(
                f"{path.parent}: holds a split of other images, masks, groups or seed; "
                "a data set has one split: give a new folder, or delete this one"
            )
        return
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape")


def refuse_strangers(data: Path, sources: list[str], places: Container[Path]) -> None:
    """Raises InputError if a split's folder holds a file that is not of this split."""
    for source, split, kind in product(sources, SPLITS, ("", "_GT")):
        folder = data / source / f"{split}{kind}"
        for path in list_images(folder) if folder.is_dir() else ():
            if path not in places:
                raise InputError(
                    f"{path}: is not of this split; a data set has one split: give a new folder, or "
                    f"delete {data}"
                )


def place(source: Path, target: Path) -> None:
    """Copies a file, unless it is there. No link: an edit of the data set must not reach the raw data."""
    if not target.exists():
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)


def tabulate(manifest: list[Entry]) -> Table:
    """Sums the data set up for people."""
    table = Table(title=f"{len(manifest)} images")
    for heading in ("source", "split", "images", "groups of several", "smallest", "largest"):
        table.add_column(heading, justify="left" if heading in ("source", "split") else "right")
    for source in dict.fromkeys(entry.source for entry in manifest):
        for split in SPLITS:
            entries = [e for e in manifest if (e.source, e.split) == (source, split)]
            sizes = sorted((e.width * e.height, f"{e.width} x {e.height}") for e in entries)
            groups = Counter(e.group for e in entries)
            several = sum(count > 1 for count in groups.values())
            ends = (sizes[0][1], sizes[-1][1]) if sizes else ("", "")
            table.add_row(escape(source), split, str(len(entries)), str(several), *ends)
    return table


if __name__ == "__main__":
    run(prepare)
