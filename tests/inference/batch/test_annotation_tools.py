"""The files for annotation tools, read back by `training.prepare` and by other people's programs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inference.batch.annotated import find_box
from inference.batch.coco import write_coco
from inference.batch.cvat import write_cvat
from inference.batch.labelstudio import encode_brush, write_label_studio
from inference.batch.overview import Results
from inference.batch.writer import Done, MaskRow
from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import read_mask
from inference.images.write import write_image
from inference.masks.formats.labelme import encode_labelme
from inference.masks.formats.rle import find_counts
from inference.masks.png import write_mask
from training.data.annotations.labelstudio import fill_brush
from training.data.annotations.reading import draw_annotations

WRITERS = {"coco.json": write_coco, "cvat.xml": write_cvat, "labelstudio.json": write_label_studio}


def make_masks() -> dict[str, np.ndarray]:
    """Several regions, a hole, all of the frame, its corners, a single pixel."""
    rows, columns = np.mgrid[:60, :90]
    ring = (np.hypot(rows - 30, columns - 40) < 25) & (np.hypot(rows - 30, columns - 40) > 9)
    ring[2:6, 80:88] = True
    corners = np.zeros((31, 17), bool)
    corners[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    pixel = np.zeros((20, 30), bool)
    pixel[11, 17] = True
    return {"ring & co": ring, "full": np.ones((12, 9), bool), "corners": corners, "pixel": pixel}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A finished run over images of these masks, one of them in a folder."""
    done = []
    for name, mask in make_masks().items():
        image = tmp_path / "images" / f"{name}.png"
        write_image(image, np.zeros((*mask.shape, 3), np.uint8))
        write_mask(tmp_path / f"{name}_segmentation.png", mask)
        row = MaskRow(str(image), f"{name}_segmentation.png", *mask.shape[::-1], 0, 0.0)
        done.append((image, Done(row, None)))
    fingerprint = {"contract": Contract(size=32).to_json()}
    stems, models = {image: Path(image.stem) for image, _ in done}, [Path("model.onnx")]
    return Results(tmp_path, "", stems, ["mask"], done, [], models, fingerprint, None, 2)


def as_annotated(path: Path) -> None:
    """What Label Studio exports once somebody has accepted the predictions."""
    tasks = json.loads(path.read_text())
    for task in tasks:
        task["annotations"] = task.pop("predictions", [])
    path.write_text(json.dumps(tasks))


def test_a_mask_that_was_replaced_by_one_of_another_size_is_named(
    results: Results, tmp_path: Path
) -> None:
    write_mask(tmp_path / "full_segmentation.png", np.ones((9, 12), bool))
    with pytest.raises(InputError, match=r"full_segmentation\.png: is not as large as its image"):
        write_coco(tmp_path / "coco.json", results)
    assert not (tmp_path / "coco.json").exists()


@pytest.mark.parametrize("file", WRITERS)
def test_prepare_reads_them_back(results: Results, file: str, tmp_path: Path) -> None:
    WRITERS[file](tmp_path / file, results)
    if file == "labelstudio.json":
        as_annotated(tmp_path / file)
    assert draw_annotations(tmp_path / file, (), tmp_path / "drawn") == []
    for name, mask in make_masks().items():
        assert np.array_equal(read_mask(tmp_path / "drawn" / f"{name}_segmentation.png"), mask)


def test_an_empty_mask_is_an_image_without_annotation(results: Results, tmp_path: Path) -> None:
    write_mask(tmp_path / "full_segmentation.png", np.zeros((12, 9), bool))
    for file, write in WRITERS.items():
        write(tmp_path / file, results)
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert [image["id"] for image in coco["images"]] == [1, 2, 3, 4]
    assert [(a["id"], a["image_id"]) for a in coco["annotations"]] == [(1, 1), (2, 3), (3, 4)]
    assert (tmp_path / "cvat.xml").read_text().count("<mask") == 3
    tasks = json.loads((tmp_path / "labelstudio.json").read_text())
    assert ["predictions" in task for task in tasks] == [True, False, True, True]
    assert encode_labelme(np.zeros((4, 5), bool), "a.jpg")["shapes"] == []


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # in pycocotools
def test_pycocotools_reads_coco(results: Results, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    write_coco(tmp_path / "coco.json", results)
    read = coco.COCO(str(tmp_path / "coco.json"))
    for image in read.loadImgs(read.getImgIds()):
        (annotation,) = read.loadAnns(read.getAnnIds(image["id"]))
        mask = make_masks()[Path(image["file_name"]).stem]
        assert np.array_equal(read.annToMask(annotation) > 0, mask)
        left, top, width, height = annotation["bbox"]
        assert mask[top : top + height, left : left + width].sum() == annotation["area"]


def test_labelme_holds_all_regions_and_holes(tmp_path: Path) -> None:
    for name, mask in make_masks().items():
        content = encode_labelme(mask, f"../{name}.jpg")
        (tmp_path / "one.json").write_text(json.dumps(content))
        assert draw_annotations(tmp_path / "one.json", (), tmp_path) == []
        assert np.array_equal(read_mask(tmp_path / f"{name}_segmentation.png"), mask)
        # labelme puts it at mask[y1 : y2 + 1, x1 : x2 + 1].
        (x1, y1), (x2, y2) = content["shapes"][0]["points"]
        assert mask[y1 : y2 + 1, x1 : x2 + 1].sum() == mask.sum()


def test_long_runs_of_a_brush() -> None:
    mask = np.zeros((300, 400), bool)
    mask[100:, :] = True  # 320,000 values in a row, more than 16 bits can count
    assert np.array_equal(fill_brush([*encode_brush(mask)], 300, 400), mask)


def test_boxes_and_counts() -> None:
    mask = np.zeros((4, 6), bool)
    assert find_box(mask) is None and find_counts(mask.ravel()) == [24]
    mask[1:3, 2:5] = True
    assert find_box(mask) == (2, 1, 3, 2)
    assert find_counts(mask.ravel()) == [8, 3, 3, 3, 7]
    assert find_counts(~np.zeros(3, bool)) == [0, 3]


def test_names_that_xml_cannot_hold(results: Results, tmp_path: Path) -> None:
    image, done = results.done[0]
    row = done.row._replace(image=os.fsdecode(b"images/a\x01<b>\xff.png"))
    changed = [(image, done._replace(row=row))]
    for file, write in WRITERS.items():
        write(tmp_path / file, Results(**{**vars(results), "done": changed}))
    assert draw_annotations(tmp_path / "cvat.xml", (), tmp_path / "drawn") == []
    assert len(list((tmp_path / "drawn").iterdir())) == 1


def test_other_programs_read_them(results: Results, tmp_path: Path) -> None:
    python = os.environ.get("FORMATS_PYTHON")
    if not python:
        pytest.skip("no Python with datumaro and label-studio-sdk: name one in FORMATS_PYTHON")
    for file, write in WRITERS.items():
        write(tmp_path / file, results)
    done = subprocess.run(
        [python, "-W", "ignore", Path(__file__).with_name("referees.py"), tmp_path],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0 and "4 masks read back" in done.stdout, done.stderr
