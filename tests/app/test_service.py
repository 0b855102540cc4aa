import csv
import dataclasses
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.card import describe_model, read_scores
from app.errors import hide_folders, quote
from app.i18n import ENGLISH
from app.prediction import (
    PREVIEW,
    check_scale,
    draw_heat,
    draw_preview,
    list_measures,
    predict,
    shrink_mask,
    write_figure,
)
from app.service import FIRST_ALONE, SECOND_ALONE, Service, delete_old
from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.evaluate import evaluate
from inference.masks.morphometry import Measures
from inference.runtime.segmenter import Segmenter
from inference.segment import segment


class Counting(Segmenter):
    """A Segmenter that counts how often the model runs."""

    runs = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.runs += 1
        return super().__call__(images)


@pytest.fixture
def service(segmenter: Segmenter) -> Iterator[Service]:
    service = Service({"one": segmenter, "two": segmenter})
    yield service
    service.close()


@pytest.mark.parametrize("number", range(3))
def test_the_mask_is_the_command_lines_byte_for_byte(
    service: Service, photographs: list[Path], model: Path, tmp_path: Path, number: int
) -> None:
    photograph = photographs[number]
    files = service.save(service.segmenter.segment(photograph), photograph.stem)
    segment([str(photograph)], SegmentOptions(model, tmp_path, ("mask", "overlay", "geojson")))
    for path in files:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_sliders_do_not_run_the_model_again(model: Path, photographs: list[Path]) -> None:
    counting = Counting(model, 1)
    service = Service({"one": counting})
    prediction = predict(counting, photographs[0])
    areas = []
    for threshold in (0.2, 0.5, 0.8):
        moved = prediction.cut(threshold, largest_region=False, fill_holes=False)
        drawn, mask = draw_preview(moved), shrink_mask(moved)
        assert drawn.shape == prediction.preview.shape and mask.shape == drawn.shape[:2]
        path, *_ = service.save(moved.lesion, "lesion")
        written = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(np.asarray(written) > 0, mask)
        areas.append(np.count_nonzero(mask))
    assert areas[0] > areas[1] > areas[2]
    draw_heat(prediction)
    assert counting.runs == 1
    service.close()


def test_what_is_shown_of_a_large_photograph_is_small(
    segmenter: Segmenter, photographs: list[Path]
) -> None:
    prediction = predict(segmenter, photographs[2])
    assert (prediction.lesion.height, prediction.lesion.width) == (900, 1300)
    assert max(prediction.preview.shape) == PREVIEW
    assert draw_heat(prediction).shape == prediction.preview.shape


def test_a_batch_is_what_the_command_line_makes(
    service: Service, photographs: list[Path], model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photographs[0].read_bytes()[:500])
    packed = tmp_path / "more.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photographs[1], "inside/lesion.jpg")
    seen = []

    def track(results: Any, total: int) -> Any:
        for result in results:
            seen.append(total)
            yield result

    batch = service.segment_all([photographs[0], broken, packed], track)
    assert seen == [3, 3, 3]
    assert [entry.row.image for entry in batch.done] == ["lesion-0.jpg", "more/inside/lesion.jpg"]
    assert [failure.image for failure in batch.failures] == ["broken.jpg"]
    assert len(batch.outlines) == 2
    segment([str(photographs[0])], SegmentOptions(model, tmp_path / "cli"))
    mask = "lesion-0_segmentation.png"
    with zipfile.ZipFile(batch.archive) as archive:
        names = set(archive.namelist())
        assert archive.read(f"lesions/{mask}") == (tmp_path / "cli" / mask).read_bytes()
        assert json.loads(archive.read("lesions/lesion-0.geojson"))["type"] == "Feature"
    tables = {"lesions/masks.csv", "lesions/errors.csv", "lesions/measures.csv"}
    assert tables < names and "lesions/more/inside/lesion_segmentation.png" in names


def test_equal_models_agree(service: Service, photographs: list[Path]) -> None:
    found = service.compare_models(photographs[0], "one", "two")
    assert found.overlap == 1.0 and min(found.seconds) > 0
    assert np.array_equal(*found.outlines)


def test_models_that_differ_are_told_apart(
    service: Service, photographs: list[Path], segmenter: Segmenter
) -> None:
    class Other(Segmenter):
        """Says the opposite."""

        def __call__(self, images: np.ndarray) -> np.ndarray:
            return 1 - super().__call__(images)

    service.models["two"] = Other(segmenter.path, 1)
    found = service.compare_models(photographs[0], "one", "two")
    assert found.overlap < 0.01
    assert found.alone == pytest.approx(found.areas, abs=0.01) and sum(found.areas) > 0.98
    colours = {tuple(colour) for colour in found.difference.reshape(-1, 3).tolist()}
    assert {FIRST_ALONE, SECOND_ALONE} <= colours


def test_results_go_after_a_while_and_those_being_made_stay(
    segmenter: Segmenter, photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.service.KEPT_SECONDS", 0.2)
    service = Service({"one": segmenter})
    unfinished = service.make_folder()
    written, *_ = service.save(segmenter.segment(photographs[0]), "lesion")
    assert written.exists()
    for _ in range(100):
        time.sleep(0.05)
        if not written.exists():
            break
    assert not written.exists() and unfinished.exists()
    service.close()
    assert not service.folder.exists()


def test_an_upload_is_an_image_or_a_zip_and_nothing_else(
    service: Service, photographs: list[Path], tmp_path: Path
) -> None:
    """A list would make the server read its own files, and fetch addresses."""
    names = tmp_path / "list.txt"
    names.write_text(f"{photographs[0]}\nhttp://127.0.0.1:9/x.jpg\n")
    batch = service.segment_all([names], lambda results, total: results)
    assert not batch.done and [failure.image for failure in batch.failures] == ["list.txt"]


def test_uploads_of_one_name_and_broken_zips_spoil_nothing(
    service: Service, photographs: list[Path], tmp_path: Path
) -> None:
    twin = tmp_path / "twin" / photographs[0].name
    twin.parent.mkdir()
    shutil.copy(photographs[1], twin)
    zips = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        zips.append(tmp_path / folder / "photos.zip")
        with zipfile.ZipFile(zips[-1], "w") as archive:
            archive.write(photographs[0], "p.jpg")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK")
    given = [photographs[0], twin, *zips, broken]
    batch = service.segment_all(given, lambda results, total: results)
    names = [entry.row.image for entry in batch.done]
    assert len(set(names)) == 4
    (failure,) = batch.failures
    assert failure.image == "broken.zip" and str(tmp_path) not in failure.error
    with zipfile.ZipFile(batch.archive) as archive:
        assert sum(name.endswith("_segmentation.png") for name in archive.namelist()) == 4


def test_too_many_at_once_are_refused(
    service: Service, photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.service.MAX_FILES", 2)
    with pytest.raises(InputError, match="at most 2 at once"):
        service.segment_all(photographs, lambda results, total: results)


def test_what_cannot_be_read_is_one_line(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("no image")
    with pytest.raises(InputError, match=r"text\.jpg: is not an image"):
        predict(service.segmenter, path)
    empty = tmp_path / "empty.zip"
    zipfile.ZipFile(empty, "w").close()
    batch = service.segment_all([empty], lambda results, total: results)
    assert [failure.image for failure in batch.failures] == ["empty.zip"]
    with pytest.raises(InputError, match="no images"):
        service.segment_all([], lambda results, total: results)


def test_the_card_and_its_scores(
    segmenter: Segmenter, model: Path, data: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copy(model, tmp_path / "own.onnx"))
    assert read_scores(own) is None
    evaluate(data / "test", data / "test_GT", model=own, json_file=tmp_path / "own.scores.json")
    service = Service({"own": Segmenter(own, 1)})
    told = describe_model(service)
    scores = read_scores(own)
    assert scores is not None
    low, high = scores["intervals"]["dice"]
    assert f"| dice | {scores['dice']:.4f} | {low:.4f} to {high:.4f} |" in told
    assert "own.onnx" in told
    (tmp_path / "own.md").write_text("# The card")
    assert describe_model(service) == "# The card"
    for wrong in ("{", "[]", "{}"):
        (tmp_path / "own.scores.json").write_text(wrong)
        with pytest.raises(InputError, match="not what inference"):
            read_scores(own)
    service.close()


def test_old_uploads_and_what_killed_servers_left_go(
    segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, running = tmp_path / "lesions-dead", tmp_path / "lesions-running"
    for folder in (dead, running):
        folder.mkdir()
        (folder / "mask.png").write_bytes(b"")
    os.utime(dead, (0, 0))
    monkeypatch.setattr("app.service.KEPT_SECONDS", 0.2)
    monkeypatch.setattr("app.service.UPLOAD_SECONDS", 0.5)
    service = Service({"one": segmenter})
    assert not dead.exists() and running.exists()
    aborted = service.folder / "uploads" / "tmp-half"
    aborted.parent.mkdir()
    aborted.write_bytes(b"half an upload")
    for _ in range(100):
        time.sleep(0.05)
        if not aborted.exists():
            break
    assert not aborted.exists()
    service.close()


def test_old_files_go_with_their_folders_and_examples_stay(tmp_path: Path) -> None:
    for name in ("uploads/0a/lesion.jpg", "uploads/0b/example.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    delete_old(tmp_path, 3600)
    assert len(list(tmp_path.rglob("*.jpg"))) == 2
    for _ in range(3):  # a folder's own time is that when its last file went
        delete_old(tmp_path, -1, {str(tmp_path / "uploads" / "0b" / "example.jpg")})
    left = sorted(path.name for path in tmp_path.rglob("*"))
    assert left == ["0b", "example.jpg", "uploads"]


def test_what_visitors_write_is_shown_literally_and_folders_are_not_shown() -> None:
    assert quote("a`b\r\n# c\x1b[31m") == "`a'b # c [31m`"
    secret = f"{tempfile.gettempdir()}/lesions-x/uploads/0a/text.jpg: is not an image"
    assert hide_folders(secret) == "text.jpg: is not an image"


def test_large_figures_are_written_out() -> None:
    measures = Measures(*(220_160.0 for _ in Measures._fields))
    assert "220,160 px²" in list_measures(measures, ENGLISH)


def test_sizes_in_mm_and_no_exponents() -> None:
    measures = Measures(*(220_160.0 for _ in Measures._fields))
    said = list_measures(measures, ENGLISH, 0.01)
    assert "22.02 mm² (220,160 px²)" in said and "2,202 mm (220,160 px)" in said
    for value in (0.0, 1e-7, 0.00012, 3.14159, 1234567.8, 64e6):
        assert "e" not in write_figure(value)
    assert check_scale(0.02, ENGLISH) == 0.02 and check_scale(None, ENGLISH) is None
    for wrong in (-1.0, 11.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="must be from 0 to 10"):
            check_scale(wrong, ENGLISH)


def test_a_photograph_has_a_table_of_its_own(service: Service, photographs: list[Path]) -> None:
    lesion = predict(service.segmenter, photographs[0]).lesion
    *_, table = service.save_measured(lesion, photographs[0], 0.5)
    assert table.name == "lesion-0_measures.csv"
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["image"] == "lesion-0.jpg"
    assert float(row["area_mm2"]) == pytest.approx(lesion.measures.area_px / 4)


def test_a_batch_takes_threshold_and_scale(service: Service, photographs: list[Path]) -> None:
    def run(threshold: float) -> Any:
        return service.segment_all(
            photographs[:2],
            lambda results, total: results,
            lambda lesion: lesion.cut(threshold, False, False),
            0.1,
        )

    low, high = run(0.2), run(0.8)
    areas = [sum(entry.row.lesion_px for entry in batch.done) for batch in (low, high)]
    assert areas[0] > areas[1]
    with zipfile.ZipFile(low.archive) as archive:
        assert b"area_mm2" in archive.read("lesions/measures.csv")


def test_the_most_doubtful_of_a_batch_come_first(
    model: Path, photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(model, 1)
    segmenter.contract = dataclasses.replace(
        segmenter.contract, confidence=(0.0, -1.0, 0.0), check_below=0.5
    )
    service = Service({"one": segmenter})
    batch = service.segment_all(photographs, lambda results, total: results)
    expected = [entry.row.expected_jaccard for entry in batch.done]
    assert None not in expected and expected == sorted(expected)
    assert [name for _, name in batch.outlines] == [entry.row.image for entry in batch.done]
    service.close()
