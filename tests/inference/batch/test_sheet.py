"""The contact sheet of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from inference.batch.options import SegmentOptions
from inference.batch.sheet import DOUBT, LINE, MARGIN, SIDE, draw_card, measure_text, shorten
from inference.batch.thumbnails import Thumbnail
from inference.batch.writer import Done, MaskRow
from inference.masks.drawing import GAP, GROUND, make_sheet
from inference.segment import segment
from training.synthetic.lesion import make_lesion


def make_done(name: str, *judged: object) -> Done:
    return Done(MaskRow(name, "mask.png", 100, 100, 1234, 12.34, *judged), None)  # type: ignore


def test_a_sheet_of_all_images(model: Path, tmp_path: Path) -> None:
    shapes = [(96, 128), (200, 90), (64, 64), (700, 900), (130, 130), (90, 90), (30, 60)]
    (tmp_path / "images").mkdir()
    for number, (height, width) in enumerate(shapes):
        image, _ = make_lesion(np.random.default_rng(number), height, width)
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.jpg")
    options = SegmentOptions(model, tmp_path / "out", ("mask", "sheet"))
    assert segment([str(tmp_path / "images")], options) == 0
    with Image.open(tmp_path / "out" / "sheet.jpg") as opened:
        pixels = np.asarray(opened)
    assert pixels.shape[1] == 4 * (SIDE + 2 * MARGIN + GAP)  # 4 and 3, not 6 and 1
    white = (pixels > 240).all(axis=2)
    assert not white.all(axis=0).any() and not white.all(axis=1).any()


def test_a_card_is_marked_and_named() -> None:
    thumbnail = Thumbnail(np.full((200, SIDE, 3), 90, np.uint8), np.zeros((200, SIDE), bool))
    plain = draw_card(make_done("a.jpg"), None)
    assert plain.shape == (SIDE + 2 * LINE + MARGIN, SIDE + 2 * MARGIN, 3)
    sure = draw_card(make_done("a.jpg", 0.9, "no"), thumbnail)
    doubted = draw_card(make_done("a.jpg", 0.4, "yes"), thumbnail)
    orange = (doubted == DOUBT).all(axis=2)
    assert orange[0, MARGIN : MARGIN + SIDE].all() and orange[202:].any()
    assert not (sure == DOUBT).all(axis=2).any()
    name = slice(200, 200 + LINE)
    assert np.array_equal(sure[name], doubted[name])
    assert (sure[name] != GROUND).any()
    assert not np.array_equal(sure[name], draw_card(make_done("b.jpg", 0.9, "no"), thumbnail)[name])


def test_long_names_keep_their_ends() -> None:
    assert shorten("short.jpg", 200) == "short.jpg"
    found = shorten(f"patient-{'x' * 300}-0042.jpg", 200)
    assert measure_text(found) <= 200
    assert found.startswith("patient") and found.endswith("0042.jpg") and "..." in found
    assert shorten("a.jpg", 1)  # it ends


def test_rows_are_as_high_as_their_images() -> None:
    wide, high = np.full((10, 30, 3), 255, np.uint8), np.full((40, 20, 3), 255, np.uint8)
    found = make_sheet([wide, wide, high], columns=2)
    assert found.shape == (10 + GAP + 40 + GAP, 2 * (30 + GAP), 3)
    assert (found[:, -1] == GROUND).all() and (found == 255).all(axis=2).sum() == 2 * 300 + 800
