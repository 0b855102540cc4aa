"""What a run says last."""

from __future__ import annotations

from inference.batch.remarks import remark_on_outlines
from inference.batch.writer import MaskRow


def row(name: str, expected: float | None, check: str = "", warning: str = "") -> MaskRow:
    return MaskRow(name, "", 1, 1, 0, 0.0, expected, check, warning)


def test_the_worst_come_first_and_ten_are_named() -> None:
    rows = [row(f"{number}.jpg", number / 100, "yes") for number in range(12)][::-1]
    rows += [row("fine.jpg", 0.95, "no")]
    (line,) = remark_on_outlines(rows)
    names = ", ".join(f"{number}.jpg" for number in range(10))
    assert line == f"12 of 13 outlines should be checked: {names} and 2 more"


def test_each_warning_has_its_line() -> None:
    rows = [
        row("a.jpg", 0.9, "no"),
        row("empty.jpg", 0.0, "yes", "no lesion"),
        row("cat.jpg", 0.3, "yes", "not a lesion"),
        row("b.jpg", 0.7, "yes"),
    ]
    assert list(remark_on_outlines(rows)) == [
        "3 of 4 outlines should be checked: empty.jpg, cat.jpg, b.jpg",
        "no lesion was found in 1 of 4 images: empty.jpg",
        "1 of 4 images do not look like dermoscopic photos of a lesion: cat.jpg",
    ]


def test_nothing_to_check_is_said_too() -> None:
    rows = [row("a.jpg", 0.9, "no"), row("b.jpg", 0.95, "no")]
    assert list(remark_on_outlines(rows)) == ["0 of 2 outlines should be checked"]


def test_a_model_that_does_not_say_is_not_spoken_for() -> None:
    assert not list(remark_on_outlines([row("a.jpg", None), row("b.jpg", None)]))
