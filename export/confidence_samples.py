"""Segmented pictures to fit a contract on: lesions, as they are and corrupted, and anything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from export.corruptions import CORRUPTIONS, Corruption
from export.scenes import cut_skin, make_scenes
from inference.cli import track
from inference.images.pixels import read_image, read_mask
from inference.masks.confidence import describe_image, describe_outline
from inference.masks.segmentation import Segmentation
from inference.runtime.pool import Pool
from inference.runtime.segmenter import Segmenter
from inference.scoring.metrics import count, score
from inference.scoring.pairs import Pairs

Item = TypeVar("Item")
Result = TypeVar("Result")

UNCHANGED = next(iter(CORRUPTIONS))
SCENES, SKIN = 216, 120  # pictures of something else


class Figures(NamedTuple):
    """What is known of one segmented picture.

    Attributes:
        outline: as `describe_outline` tells it; None for an empty mask.
        image: as `describe_image` tells it.
        jaccard: the true Jaccard index; 0 where no lesion is to be found.
        unchanged: whether the picture is as it was taken.
    """

    outline: tuple[float, float] | None
    image: tuple[float, float, float]
    jaccard: float = 0.0
    unchanged: bool = True


def look_at_pairs(segmenter: Segmenter, pairs: Pairs, threads: int) -> list[Figures]:
    """Segments images as they are and in each way of `CORRUPTIONS`."""

    def look(item: tuple[tuple[Path, Path], str, Corruption]) -> Figures:
        (path, mask_path), name, corrupt = item
        image, mask = corrupt(read_image(path), read_mask(mask_path))
        lesion = segmenter.segment(image)
        jaccard = float(score(count(mask, lesion.mask))["jaccard"])
        return look_at(lesion)._replace(jaccard=jaccard, unchanged=name == UNCHANGED)

    items = [(pair, *corruption) for pair in pairs.values() for corruption in CORRUPTIONS.items()]
    return map_tracked(look, items, threads, "validation images")


def look_at_others(segmenter: Segmenter, train: Pairs, threads: int) -> list[Figures]:
    """Segments SCENES made-up pictures, and then up to SKIN squares of bare skin."""

    def find_skin(pair: tuple[Path, Path]) -> np.ndarray | None:
        return cut_skin(read_image(pair[0]), read_mask(pair[1]))

    chosen = np.random.default_rng(0).permutation(len(train))[: 8 * SKIN]
    pairs = list(train.values())
    found = map_tracked(find_skin, [pairs[number] for number in chosen], threads, "bare skin")
    skin = [square for square in found if square is not None][:SKIN]
    pictures = [*make_scenes(SCENES), *skin]
    return map_tracked(
        lambda picture: look_at(segmenter.segment(picture)), pictures, threads, "other pictures"
    )


def map_tracked(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int, doing: str
) -> list[Result]:
    """Calls a function for each item in threads, under a progress bar; keeps the order."""
    with Pool(threads) as pool:
        return list(track(pool.map(function, items), doing, len(items)))


def look_at(lesion: Segmentation) -> Figures:
    assert lesion.pixels is not None
    outline = describe_outline(lesion.probability, lesion.inside) if lesion.lesion.area else None
    return Figures(outline, describe_image(lesion.pixels, lesion.inside))
