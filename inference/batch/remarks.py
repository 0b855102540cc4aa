"""What a run says last: which outlines a person should look at, and which images show no lesion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inference.batch.writer import MaskRow
from inference.masks.segmentation import Caution

NAMED = 10  # images a line names
REMARKS: dict[Caution, str] = {
    "no lesion": "no lesion was found in {count}",
    "not a lesion": "{count} do not look like dermoscopic photos of a lesion",
}


def remark_on_outlines(rows: Sequence[MaskRow]) -> Iterator[str]:
    """Yields a line on the outlines to check, most doubtful first, and one for each kind of warning."""
    doubtful = sorted((row for row in rows if row.check == "yes"), key=doubt)
    if any(row.check for row in rows):  # else the model's contract does not say
        yield f"{len(doubtful)} of {len(rows)} outlines should be checked{name_some(doubtful)}"
    for warning, remark in REMARKS.items():
        if found := [row for row in rows if row.warning == warning]:
            yield remark.format(count=f"{len(found)} of {len(rows)} images") + name_some(found)


def doubt(row: MaskRow) -> tuple[bool, float]:
    """Sorts rows by doubt: those with a warning, then by the expected Jaccard index."""
    return not row.warning, 1.0 if row.expected_jaccard is None else row.expected_jaccard


def name_some(rows: Sequence[MaskRow]) -> str:
    """The images of the first rows, after a colon; masks.csv has the others."""
    if not rows:
        return ""
    names = ", ".join(row.image for row in rows[:NAMED])
    more = len(rows) - NAMED
    return f": {names} and {more} more" if more > 0 else f": {names}"
