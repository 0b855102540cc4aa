"""Turns raw folders of images and masks into a checked, split and cached data set.

    python -m training.prepare ISIC2018/ data/
    python -m training.prepare photos/ data/ --masks outlines/
    python -m training.prepare ISIC2018/ data/ --also frames/
    python -m training.prepare photos/ data/ --annotations instances.json

    data/train  train_GT  valid  valid_GT  test  test_GT   the files, copied
    data/frames/train ...                                  a further source, in the same folders
    data/cache/train-224-images.npy ...                    resized once: no epoch decodes a file
    data/manifest.csv                                      split, group, size and hashes by name
    data/folds.csv                                         with --folds: the fold of each image

An interrupted run picks up where it stopped; a second run changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from inference.cli import run, say
from inference.errors import InputError
from inference.machine import usable_cores
from training.data.annotations.reading import draw_annotations
from training.data.cache import open_split, remark_on_inversion
from training.data.folds import make_folds, write_folds
from training.data.inspection import count_rewritten, inspect_pairs
from training.data.layout import MANIFEST, copy_files, plan_copies, refuse_strangers, require_apart
from training.data.manifest import make_manifest, remark_on_splits, summarize, write_manifest
from training.data.pairs import find_raw_pairs, give_splits
from training.data.split import SPLITS
from training.data.tables import read_groups, read_pairs, read_splits, remark_on_strangers
from training.networks.unet import DEFAULT_SIZE, Arch, require_size, stride_of

OPTIONAL = "(optional)"
Table = Annotated[Path | None, tyro.conf.arg(metavar="CSV", help_behavior_hint=OPTIONAL)]
Count = Annotated[int, tyro.conf.arg(metavar="N")]

ANNOTATED = ".annotated"  # in the data set: masks drawn from --annotations


def prepare(
    raw: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RAW")],
    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    masks: Annotated[
        Path | None, tyro.conf.arg(metavar="MASKS", help_behavior_hint=OPTIONAL)
    ] = None,
    mask_suffix: Annotated[str, tyro.conf.arg(metavar="END", help_behavior_hint=OPTIONAL)] = "",
    annotations: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint=OPTIONAL)
    ] = None,
    classes: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]", help_behavior_hint=OPTIONAL)
    ] = (),
    pairs: Table = None,
    split: Table = None,
    also: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="RAW [RAW ...]", help_behavior_hint=OPTIONAL)
    ] = (),
    groups: Table = None,
    folds: Count = 0,
    size: Count = DEFAULT_SIZE,
    arch: Arch | Literal["any"] = "any",
    seed: Count = 0,
    workers: Count = 0,
) -> int:
    """Check, split (70/10/20, or your own split) and cache folders of images and masks for training.

    Exit code: 0 if all pairs are intact, 1 if broken ones were left out (and listed), 2 for bad input.

    Args:
        raw: Folder of images, and of their masks unless --masks is given, such as the folder into which
            you unpacked the archives of the ISIC challenge, or PH2's. If images are in folders named
            train, valid (or val, validation) and test, this split is kept.
        data: Folder to write the data set to.
        masks: Folder of the masks, named NAME_segmentation.png, NAME_mask.png or NAME.png.
        mask_suffix: Suffix of the mask names, such as _lesion.
        annotations: Outlines from an annotation tool, used instead of masks: a file from COCO, CVAT for
            images or Label Studio, or a labelme JSON file or a folder of them.
        classes: Names of the annotated classes that are lesion; optional if there is only one.
        pairs: CSV of image,mask or image,mask,split to use instead of searching RAW; paths are relative
            to this file.
        split: CSV of name,split: your own split into train, valid and test.
        also: Further raw folders. An image goes into the same split as an image of the same name in
            another folder, since both show the same lesion.
        groups: CSV of name,group: photos of the same lesion, which always go into the same split. Near
            duplicates, found by perceptual hash, are added to the groups.
        folds: Also divide train and valid into N folds for cross-validation, keeping groups together;
            see --fold of training.train. 0: no folds.
        size: Side of the cached images in pixels, the --size of the training.
        arch: Network that you will train, to check --size; any: all networks.
        seed: Random seed of the split; the same seed gives the same split on every machine.
        workers: Threads that read images; 0: all cores.
    """
    require_size(size, stride_of(None if arch == "any" else arch))
    if workers < 0:
        raise InputError(f"--workers {workers}: must be at least 0; leave it out for all cores")
    if folds < 0 or folds == 1:
        raise InputError(f"--folds {folds}: must be 0, or at least 2")
    sources = [folder.resolve().name for folder in also]
    if pairs and (masks or mask_suffix or also or annotations):
        raise InputError(
            "--pairs: lists every mask itself; leave --masks, --mask-suffix, --also and --annotations out"
        )
    if annotations and (masks or mask_suffix):
        raise InputError(
            "--annotations: already provides the masks; leave --masks and --mask-suffix out"
        )
    if classes and not annotations:
        raise InputError("--classes: needs --annotations; add it")
    require_apart(data, filter(None, (raw, masks, *also)), sources)
    known_groups = read_groups(groups) if groups else []

    undrawn = []
    if annotations:
        masks = data / ANNOTATED
        undrawn = draw_annotations(annotations, classes, masks, raw)
    if pairs:
        found, unpaired = read_pairs(pairs), list[str]()
    else:
        found, unpaired = find_raw_pairs(raw, masks, also, sources, mask_suffix)
    own_splits = read_splits(split) if split else {}
    found = give_splits(found, own_splits, str(split))
    data.mkdir(parents=True, exist_ok=True)
    intact, broken = inspect_pairs(found, data / ".inspections.jsonl", workers or usable_cores())
    problems = undrawn + unpaired + broken
    if len({pair.label for pair in intact}) < len(SPLITS):
        raise InputError(
            f"{raw}: {len(intact)} intact pairs of image and mask; a split needs at least "
            f"{len(SPLITS)}" + (f"; the first problem: {problems[0]}" if problems else "")
        )

    manifest = make_manifest(intact, known_groups, seed)
    dealt = make_folds(manifest, folds, seed) if folds else []
    copies = plan_copies(data, intact, manifest)
    if not (data / MANIFEST).exists():
        refuse_strangers(data, sources, copies)
    write_manifest(data / MANIFEST, manifest)
    if dealt:
        write_folds(data, dealt)
    copy_files(copies)
    prepared = [
        open_split(data, name, size, workers)
        for name in dict.fromkeys(entry.split for entry in manifest)
    ]

    console = Console(highlight=False, soft_wrap=True, color_system=None)
    with console.capture() as shown:
        console.print(summarize(manifest))
    say(shown.get().rstrip("\n"))  # names of sources hold any character
    remarks = remark_on_splits(intact, manifest) + remark_on_inversion(prepared)
    for table, names in ((groups, set().union(*known_groups)), (split, set(own_splits))):
        if table:
            remarks += remark_on_strangers(table, names, found)
    for remark in remarks:
        say(remark)
    for kind, count in count_rewritten(intact).items():
        say(f"masks rewritten as grey PNG of 0 and 255: {count} ({kind})")
    for problem in problems:
        say(f"left out: {problem}")
    if problems:
        say(f"to include them, fix them and prepare a new folder: {data} keeps its split")
    return 1 if problems else 0


if __name__ == "__main__":
    run(prepare)
