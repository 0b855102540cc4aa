"""From probabilities to masks at the image's own size."""

from __future__ import annotations

import cv2
import numpy as np

from inference.contract import Contract
from inference.masks.runlength import RunLengths, find_runs

ROUNDING = 2.0**-24  # relative error of float32
BLOCK = 16  # columns: a part of an image that begins at a multiple is resized as in the whole image


def make_mask(probability: np.ndarray, height: int, width: int, contract: Contract) -> np.ndarray:
    """Turns one probability map into the contract's mask.

    Args:
        probability: (S, S) float32 in [0, 1], at the model's size.
        height, width: the image's own size; the map is stretched to it (bilinear), then cut.

    Returns:
        (height, width) bool.
    """
    return find_lesion(probability, height, width, contract).mask


def find_lesion(probability: np.ndarray, height: int, width: int, contract: Contract) -> RunLengths:
    """As `make_mask`, but as run lengths, which takes a large photo a tenth of the time."""
    lesion = trace(probability, height, width, contract.threshold)
    if contract.largest_region:
        lesion = keep_largest_region(lesion)
    if contract.fill_holes:
        lesion = fill_holes(lesion)
    return lesion


def stretch(probability: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resize of a probability map: (S, S) float32 -> (height, width) float32."""
    return cv2.resize(probability, (width, height), interpolation=cv2.INTER_LINEAR)


def trace(probability: np.ndarray, height: int, width: int, threshold: float) -> RunLengths:
    """Thresholds the stretched map without stretching it in full. Pixel for pixel, this is

        find_runs(stretch(probability, height, width) > threshold)

    Between two columns of the map, a row of the stretched map is a straight line: all there is to compute
    is where it crosses the threshold. Where rounding decides, `stretch` itself is asked. To a PNG file of
    6000 x 4000 it takes 4.8 ms (`inference.masks.png`); resizing, cutting and compressing pixels 383 ms.

    Args:
        probability: (S, S) float32 in [0, 1].
    """
    size = probability.shape[1]
    if width <= max(BLOCK, size):  # no less work than stretching: a strip has a million rows
        return find_runs(stretch(probability, height, width) > threshold)
    margins = np.full((height, size + 2), -1, np.float32)  # with a background column on either side
    margins[:, 1:-1] = stretch(probability, height, size) - np.float32(threshold)
    at = np.abs(margins) < 4 * ROUNDING
    if (at[:, 1:] & at[:, :-1]).any():  # a line along the threshold
        return find_runs(stretch(probability, height, width) > threshold)
    inside = margins > 0
    row, gap = np.divmod(np.flatnonzero(inside[:, 1:] != inside[:, :-1]), size + 1)
    left, right = margins[row, gap].astype(float), margins[row, gap + 1].astype(float)
    crossing = (gap - 0.5 + left / (left - right)) * (width / size) - 0.5  # in pixels
    crossing[gap == 0] = -1
    crossing[gap == size] = width
    column = np.where(left < right, np.floor(crossing) + 1, np.ceil(crossing)).astype(np.int64)
    runs = RunLengths(row * (width + 1) + 1 + column, height, width)

    steep, nearest = np.abs(left - right), np.rint(crossing)
    distance = np.abs(nearest - crossing) * (size / width) * steep
    unsure = (distance < ROUNDING * (4 + size * steep)) & (gap % size > 0)
    places = np.unique(row[unsure] * runs.stride + 1 + nearest[unsure].astype(np.int64))
    wrong = exceeds(probability, threshold, places, runs) != runs.covers(places)
    return runs.toggle(places[wrong])


def exceeds(
    probability: np.ndarray, threshold: float, places: np.ndarray, like: RunLengths
) -> np.ndarray:
    """Whether `stretch` puts the pixels at places (N,) above the threshold: (N,) bool.

    Only rows and blocks of columns around them are stretched.
    """
    above = np.zeros(len(places), bool)
    if not len(places):
        return above
    size = len(probability)
    row, column = np.divmod(places - 1, like.stride)
    # The row of the map above each place, and its neighbours, in case rounding moves it there.
    upper = ((row + 0.5) * (size / like.height) - 0.5).astype(np.int64)
    near = np.unique(np.clip(np.concatenate((upper - 1, upper, upper + 1, upper + 2)), 0, size - 1))
    wide = stretch(probability[near], len(near), like.width)
    for block in np.unique(column // BLOCK):
        begin = max(0, (block - 1) * BLOCK)  # OpenCV resizes a single column differently
        end = min((block + 1) * BLOCK, like.width)
        part = np.zeros((size, end - begin), np.float32)
        part[near] = wide[:, begin:end]
        here = column // BLOCK == block
        stretched = stretch(part, like.height, part.shape[1])
        above[here] = stretched[row[here], column[here] - begin] > threshold
    return above


def keep_largest_region(lesion: RunLengths) -> RunLengths:
    """Keeps the largest 8-connected region of a mask; an empty mask stays empty.

    Of two equally large ones the upper stays, then the one further left.
    """
    labels = lesion.label(diagonal=True)
    areas = np.bincount(labels, lesion.ends - lesion.starts)
    return lesion.select(labels == areas.argmax()) if areas.size else lesion


def fill_holes(lesion: RunLengths) -> RunLengths:
    """Fills holes: 4-connected regions of background that do not reach the image's edge."""
    background = lesion.invert()
    row, left = np.divmod(background.starts - 1, background.stride)
    right = left + background.ends - background.starts
    at_edge = (row == 0) | (row == lesion.height - 1) | (left == 0) | (right == lesion.width)
    outside, inside = background.select(at_edge), background.select(~at_edge)
    labels = inside.label(diagonal=False)
    touches = sum(inside.find_touching(outside, down, diagonal=False)[1] for down in (-1, 1))
    holes = inside.select(~np.isin(labels, labels[touches > 0]))
    return RunLengths(np.concatenate((lesion.edges, holes.edges)), lesion.height, lesion.width)
