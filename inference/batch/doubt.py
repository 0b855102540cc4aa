"""Which outlines of a run a person should check, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from inference.batch.writer import Done
from inference.images.pixels import Source


class Doubt(NamedTuple):
    """What speaks against an outline.

    Attributes:
        expected: the Jaccard index with an expert's outline that the model expects, 0 to 1; None if it
            does not say.
        check: a person should check the outline.
        warning: why even the image is in doubt, in words; empty if it is not.
    """

    expected: float | None
    check: bool
    warning: str


def judge(done: Done) -> Doubt:
    """The doubt about one finished image."""
    found = done.row.lesion_px > 0
    return Doubt(None, not found, "" if found else "no lesion found")


def sort_by_doubt(done: Iterable[tuple[Source, Done]]) -> list[tuple[Source, Done]]:
    """Finished images, those most in doubt first; among equals the order stays."""

    def rank(item: tuple[Source, Done]) -> tuple[bool, bool, float]:
        doubt = judge(item[1])
        return not doubt.warning, not doubt.check, 1 if doubt.expected is None else doubt.expected

    return sorted(done, key=rank)
