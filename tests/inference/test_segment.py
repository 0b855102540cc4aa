"""What a run writes, names, counts and returns."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.batch.job import parse_shard
from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.images.pixels import read_image, read_levels, read_mask
from inference.images.write import write_image
from inference.masks.png import write_mask
from inference.runtime.segmenter import Segmenter
from inference.segment import segment
from tests.contents import contents
from tests.inference.masks.oracles import decode_geojson, decode_rle
from training.synthetic.lesion import make_lesion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images of several sizes in two folders, and one that cannot be read."""
    made = tmp_path_factory.mktemp("images")
    (made / "sub").mkdir()
    sizes = [(96, 128), (200, 90), (64, 64), (700, 900), (130, 130)]
    for number, (height, width) in enumerate(sizes):
        image, _ = make_lesion(np.random.default_rng(number), height, width)
        Image.fromarray(image).save(made / ("sub" if number > 2 else "") / f"{number}.jpg")
    (made / "broken.jpg").write_bytes(b"no image")
    return made


def test_masks_are_those_of_the_model(folder: Path, model: Path, tmp_path: Path) -> None:
    assert segment([str(folder)], SegmentOptions(model, tmp_path)) == 1
    segmenter = Segmenter(model)
    with (tmp_path / "masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["image"]).name for row in rows] == [f"{i}.jpg" for i in range(5)]
    for row in rows:
        expected = segmenter.segment(row["image"]).mask
        assert np.array_equal(read_mask(tmp_path / row["mask"]), expected)
        assert int(row["lesion_px"]) == np.count_nonzero(expected)
        assert float(row["lesion_percent"]) == pytest.approx(100 * expected.mean(), abs=1e-3)
        assert (int(row["height"]), int(row["width"])) == expected.shape
    assert "broken.jpg" in (tmp_path / "errors.csv").read_text()
    assert set(contents(tmp_path)) == {
        *(f"{i}_segmentation.png" for i in range(3)),
        *(f"sub/{i}_segmentation.png" for i in (3, 4)),
        "masks.csv",
        "errors.csv",
    }


def test_another_threshold_cuts_other_masks_and_is_reported(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    segment([str(folder)], SegmentOptions(model, tmp_path, threshold=0.8, json_file=tmp_path / "s"))
    assert json.loads((tmp_path / "s").read_text())["threshold"] == 0.8
    with (tmp_path / "masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    segmenter = Segmenter(model)
    areas = [segmenter.segment(row["image"]).cut(threshold=0.8).lesion.area for row in rows]
    assert [int(row["lesion_px"]) for row in rows] == areas
    assert areas != [segmenter.segment(row["image"]).lesion.area for row in rows]
    assert {row["threshold"] for row in rows} == {"0.8"}


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, float("nan")])
def test_a_threshold_is_a_probability(
    threshold: float, folder: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^--threshold .*: must be between 0 and 1"):
        segment([str(folder)], SegmentOptions(model, tmp_path / "out", threshold=threshold))
    assert not list(tmp_path.iterdir())


def test_files_are_the_same_for_any_threads_and_batches(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    save = ("mask", "overlay", "contour", "rle", "geojson", "probability", "csv", "sheet")
    found = []
    for number, (batch_size, threads) in enumerate([(1, 1), (3, 2), (16, 4)]):
        output = tmp_path / str(number)
        options = SegmentOptions(model, output, save, batch_size)
        assert segment([str(folder)], options, threads) == 1
        found.append(contents(output))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 5 * 6 + 4


def test_products_say_what_the_mask_says(folder: Path, model: Path, tmp_path: Path) -> None:
    save = ("mask", "overlay", "contour", "rle", "geojson", "probability", "csv")
    images = [str(folder / "0.jpg"), str(folder / "1.jpg")]
    segment(images, SegmentOptions(model, tmp_path, save, mm_per_pixel=0.1))
    for name in "01":
        mask = read_mask(tmp_path / f"{name}_segmentation.png")
        rle = json.loads((tmp_path / f"{name}_rle.json").read_text())
        assert np.array_equal(decode_rle(rle), mask)
        feature = json.loads((tmp_path / f"{name}.geojson").read_text())
        assert np.array_equal(decode_geojson(feature), mask)
        probability = read_levels(tmp_path / f"{name}_probability.png")
        sure = np.abs(probability.astype(int) - 128) > 1
        assert np.array_equal(probability[sure] > 128, mask[sure])
        contour = read_mask(tmp_path / f"{name}_contour.png")
        inside = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (
            contour.any()
            and not (contour & ~mask).any()
            and not (contour & inside)[1:-1, 1:-1].any()
        )
        overlay, image = tmp_path / f"{name}_overlay.jpg", folder / f"{name}.jpg"
        assert read_image(overlay).shape == read_image(image).shape
    with (tmp_path / "measures.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name = Path(row["image"]).stem
            area = np.count_nonzero(read_mask(tmp_path / f"{name}_segmentation.png"))
            assert int(row["area_px"]) == area
            assert float(row["area_mm2"]) == pytest.approx(area / 100)


def test_which_outlines_to_check(
    folder: Path, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "page" / "page.png", np.full((80, 90, 3), 255, np.uint8))
    images = [str(folder / "0.jpg"), str(folder / "1.jpg"), str(tmp_path / "page")]
    output = tmp_path / "masks"
    assert segment(images, SegmentOptions(fitted, output, ("mask", "csv"))) == 0
    last = capsys.readouterr().err.splitlines()
    segmenter = Segmenter(fitted)
    tables = []
    for name in ("masks.csv", "measures.csv"):
        with (output / name).open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
    for row, measured in zip(*tables, strict=True):
        lesion = segmenter.segment(row["image"])
        assert lesion.expected_jaccard is not None
        assert float(row["expected_jaccard"]) == pytest.approx(lesion.expected_jaccard, abs=1e-4)
        assert row["check"] == ("yes" if lesion.needs_check else "no")
        assert row["warning"] == (lesion.warning or "")
        for column in ("expected_jaccard", "check", "warning"):
            assert measured[column] == row[column]
    checked = [row["image"] for row in tables[0] if row["check"] == "yes"]
    (line,) = (line for line in last if "should be checked" in line)
    assert line.startswith(f"{len(checked)} of 3 outlines should be checked: ")
    assert all(image in line for image in checked)
    assert tables[0][2]["warning"] and any("page.png" in line for line in last[-1:])


def test_a_model_that_does_not_say_leaves_the_columns_empty(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment([str(folder / "0.jpg")], SegmentOptions(model, tmp_path))
    with (tmp_path / "masks.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["expected_jaccard"] == row["check"] == ""
    assert "should be checked" not in capsys.readouterr().err


def test_millimetres_only_where_they_are_known(folder: Path, model: Path, tmp_path: Path) -> None:
    segment([str(folder / "0.jpg")], SegmentOptions(model, tmp_path, ("csv",)))
    assert "_mm" not in (tmp_path / "measures.csv").read_text()
    assert set(contents(tmp_path)) == {"masks.csv", "errors.csv", "measures.csv"}


def test_a_mask_is_read_alike_by_all(tmp_path: Path) -> None:
    mask = make_lesion(np.random.default_rng(2), 1500, 2000)[1] > 0
    path = tmp_path / "mask.png"
    write_mask(path, mask)
    expected = mask.astype(np.uint8) * 255
    with Image.open(path) as image:
        assert image.mode == "L" and np.array_equal(np.asarray(image), expected)
    for flags in (cv2.IMREAD_UNCHANGED, cv2.IMREAD_GRAYSCALE):
        assert np.array_equal(cv2.imread(str(path), flags), expected)
    assert np.array_equal(read_levels(path), expected)
    assert path.stat().st_size < 20_000


def test_the_summary(folder: Path, model: Path, tmp_path: Path) -> None:
    summary_file = tmp_path / "summary.json"
    segment([str(folder)], SegmentOptions(model, tmp_path / "masks", json_file=summary_file))
    summary = json.loads(summary_file.read_text())
    assert (summary["images"], summary["errors"], summary["kept"]) == (5, 1, 0)
    assert set(summary["stages"]) == {"decode", "infer", "write"}
    assert all(seconds > 0 for seconds in summary["stages"].values())
    assert summary["fps"] * summary["seconds"] == pytest.approx(5, rel=0.05)
    (tmp_path / "masks" / "0_segmentation.png").unlink()
    segment(
        [str(folder)],
        SegmentOptions(model, tmp_path / "masks", json_file=summary_file, resume=True),
    )
    summary = json.loads(summary_file.read_text())
    assert summary["kept"] == 4
    assert summary["fps"] * summary["seconds"] == pytest.approx(1, rel=0.2)


def test_cores_of_others_are_left_alone(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a scheduler, or in a container: the machine has more than the process may use."""
    opened: list[int] = []
    open_model = Segmenter.__init__

    def note(self: Segmenter, path: Path, threads: int, *others: Any) -> None:
        opened.append(threads)
        open_model(self, path, threads, *others)

    monkeypatch.setattr(Segmenter, "__init__", note)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert segment([str(folder / "0.jpg")], SegmentOptions(model, tmp_path)) == 0
    assert opened == [2]


@pytest.mark.parametrize("size", [0, -1, math.inf, math.nan])
def test_a_pixel_has_a_size(size: float, folder: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above 0 and finite"):
        segment([str(folder)], SegmentOptions(model, tmp_path, mm_per_pixel=size))


def test_shards_part_the_images(folder: Path, model: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    segment([str(folder)], SegmentOptions(model, whole))
    codes = [
        segment([str(folder)], SegmentOptions(model, parts), shard=f"{i}/3") for i in (1, 2, 3)
    ]
    assert sorted(codes) == [0, 0, 1]  # the broken one is in one part
    masks = {name: data for name, data in contents(whole).items() if name.endswith(".png")}
    assert {name: data for name, data in contents(parts).items() if name.endswith(".png")} == masks
    lines = [(parts / f"masks-{i}-of-3.csv").read_text().splitlines()[1:] for i in (1, 2, 3)]
    assert [len(part) for part in lines] == [2, 2, 1] or sum(map(len, lines)) == 5
    # Resumed without a shard, all that they did is gathered; nothing is computed again.
    times = {path: path.stat().st_mtime_ns for path in parts.rglob("*.png")}
    assert segment([str(folder)], SegmentOptions(model, parts, resume=True)) == 1
    assert contents(parts)["masks.csv"] == contents(whole)["masks.csv"]
    assert {path: path.stat().st_mtime_ns for path in parts.rglob("*.png")} == times


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/2/3", "-1/2"])
def test_a_shard_is_one_of_n(shard: str) -> None:
    with pytest.raises(InputError, match="must be i/n"):
        parse_shard(shard)


def test_an_image_too_long_for_an_overlay_stops_no_other(model: Path, tmp_path: Path) -> None:
    images, output = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    for name, width in (("a", 40), ("long", 70_000), ("z", 40)):
        cv2.imwrite(str(images / f"{name}.png"), np.full((20, width, 3), 200, np.uint8))
    assert segment([str(images)], SegmentOptions(model, output, ("mask", "overlay"))) == 1
    with (output / "errors.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert Path(row["image"]).name == "long.png"
    assert "cannot store 70000 x 20 pixels" in row["error"]
    assert len((output / "masks.csv").read_text().splitlines()) == 3
    assert not list(output.glob("*long*"))
    assert segment([str(images)], SegmentOptions(model, output, ("mask",))) == 0
