"""Masks drawn from annotation files, as the tools write them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.errors import InputError
from inference.images.pixels import read_mask
from inference.images.write import write_image
from training.data.annotations.coco import unpack
from training.data.annotations.labelstudio import decode_rle, fill_brush
from training.data.annotations.polygons import fill_polygon
from training.data.annotations.reading import draw_annotations
from training.prepare import prepare
from training.synthetic.lesion import make_lesion

# A ring of 7 x 5 pixels, and what Label Studio's own converter makes of it.
RING = np.array(["00000", "01110", "11111", "11011", "11011", "11111", "01110"])

BRUSH = [
    *(0, 0, 0, 140, 57, 27, 254, 23, 0, 183, 255, 24, 6, 27),
    *(255, 140, 2, 255, 252, 96, 24, 111, 254, 48, 11, 127, 241, 128, 0),
]


def ring() -> np.ndarray:
    """(7, 5) bool: a ring with a hole."""
    return np.array([[letter == "1" for letter in row] for row in RING])


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def runs_of(values: np.ndarray) -> list[int]:
    """Run lengths of a flat mask, background first."""
    edges = np.flatnonzero(np.diff(values.astype(int), prepend=0, append=0))
    ends = np.concatenate((edges, [len(values)])) if edges[-1] < len(values) else edges
    return np.diff(ends, prepend=0).tolist()


def coco(segmentations: list[Any], height: int, width: int, names: tuple[str, ...]) -> Any:
    return {
        "images": [
            {"id": 7, "file_name": "folder/lesion one.jpg", "height": height, "width": width}
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": 7, "category_id": number % len(names), **segmentation}
            for number, segmentation in enumerate(segmentations)
        ],
    }


def drawn(source: Path, folder: Path, *classes: str) -> np.ndarray:
    assert draw_annotations(source, classes, folder) == []
    return read_mask(folder / "lesion one_segmentation.png")


def test_polygons_cover_the_pixels_whose_middle_is_inside() -> None:
    square = np.array([(1, 1), (4, 1), (4, 3), (1, 3)], float)
    mask = fill_polygon(square, 5, 6)
    assert mask.sum() == 6 and mask[1:3, 1:4].all()
    assert np.array_equal(fill_polygon(square + 0.4, 5, 6), mask)
    assert np.array_equal(fill_polygon(square[::-1], 5, 6), mask)
    assert fill_polygon(square - 2, 5, 6).sum() == 2  # what lies outside is cut off
    bow = np.array([(0, 0), (4, 4), (4, 0), (0, 4)], float)
    assert not fill_polygon(bow, 4, 4)[0, 1:3].any()  # even-odd: outside of the knot
    with pytest.raises(ValueError, match="polygon of 2 points"):
        fill_polygon(square[:2], 5, 6)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # in pycocotools
def test_polygons_agree_with_coco_s_own() -> None:
    referee = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radii = 40 + 9 * np.sin(5 * angles)
    points = np.column_stack((60 + radii * np.cos(angles), 55 + radii * np.sin(angles)))
    theirs = referee.decode(referee.frPyObjects([points.ravel().tolist()], 110, 120))[..., 0] > 0
    ours = fill_polygon(points, 110, 120)
    assert (ours & theirs).sum() / (
        ours | theirs
    ).sum() > 0.985  # theirs reaches half a pixel further


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_coco_run_lengths(tmp_path: Path) -> None:
    referee = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    _, lesion = make_lesion(np.random.default_rng(1), 90, 120)
    mask = lesion > 0
    mask[30:40, 50:60] = False
    compressed = referee.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": compressed["size"], "counts": compressed["counts"].decode()}
    plain = {"size": [90, 120], "counts": runs_of(mask.T.ravel())}
    assert unpack(text["counts"])[: len(plain["counts"])] == plain["counts"]
    for number, runs in enumerate((text, plain)):
        file = coco([{"segmentation": runs, "iscrowd": number}], 90, 120, ("lesion",))
        source = write_json(tmp_path / "coco.json", file)
        assert np.array_equal(drawn(source, tmp_path / str(number)), mask)


def test_coco_polygons_of_one_annotation_belong_together(tmp_path: Path) -> None:
    parts = [[1, 1, 4, 1, 4, 3, 1, 3], [6, 5, 9, 5, 9, 8, 6, 8]]
    source = write_json(tmp_path / "a.json", coco([{"segmentation": parts}], 10, 12, ("x",)))
    mask = drawn(source, tmp_path)
    assert mask.sum() == 6 + 9 and mask[1:3, 1:4].all() and mask[5:8, 6:9].all()


def test_cvat_polygons_and_masks(tmp_path: Path) -> None:
    counts = ", ".join(map(str, runs_of(ring().ravel())))
    source = tmp_path / "annotations.xml"
    source.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
        <annotations><version>1.1</version><meta><task/></meta>
        <image id="0" name="folder\\lesion one.jpg" width="12" height="10">
          <mask label="lesion" source="manual" rle="{counts}" left="6" top="2" width="5" height="7"/>
          <polygon label="lesion" points="0.0,0.0;3.0,0.0;3.0,2.0;0.0,2.0" z_order="1"/>
          <box label="lesion" xtl="0" ytl="0" xbr="9" ybr="9"/>
        </image></annotations>"""
    )
    expected = np.zeros((10, 12), bool)
    expected[2:9, 6:11] = ring()
    expected[:2, :3] = True
    assert np.array_equal(drawn(source, tmp_path), expected)


def test_labelme_shapes(tmp_path: Path) -> None:
    _, png = cv2.imencode(".png", ring().astype(np.uint8) * 255)
    shapes = [
        {"label": "lesion", "points": [[0, 0], [3, 0], [3, 2], [0, 2]], "shape_type": "polygon"},
        {"label": "lesion", "points": [[0, 4], [2, 6]], "shape_type": "rectangle"},
        {"label": "lesion", "points": [[9, 9], [9, 11]], "shape_type": "circle"},
        {"label": "lesion", "points": [[0, 0], [9, 9]], "shape_type": "line"},
        {
            "label": "lesion",
            "points": [[6, 2], [10, 8]],
            "shape_type": "mask",
            "mask": base64.b64encode(png.tobytes()).decode(),
        },
    ]
    (tmp_path / "files").mkdir()
    write_json(
        tmp_path / "files" / "one.json",
        {"imagePath": "..\\lesion one.jpg", "imageHeight": 20, "imageWidth": 14, "shapes": shapes},
    )
    mask = drawn(tmp_path / "files", tmp_path)
    assert np.array_equal(mask[2:9, 6:11] & ring(), ring()) and not mask[5, 8]
    assert mask[:2, :3].all() and mask[4:6, :2].all()
    assert mask[12:].sum() == 0 and mask[8:10, 7:11].all()


def label_studio(results: list[dict[str, Any]], image: str) -> list[dict[str, Any]]:
    size = {"original_width": 12, "original_height": 10}
    return [
        {
            "id": 1,
            "data": {"image": image},
            "annotations": [{"result": [size | r for r in results]}],
        },
        {"id": 2, "data": {"image": "/data/upload/1/0a0a0a0a-other.jpg"}, "annotations": []},
    ]


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/3/1f2e3d4c-lesion%20one.jpg",
        "/data/local-files/?d=photos/lesion%20one.jpg",
        "s3://bucket/photos/lesion one.png",
    ],
)
def test_label_studio_polygons(tmp_path: Path, image: str) -> None:
    points = [[0, 0], [25, 0], [25, 20], [0, 20]]  # percent
    value = {"points": points, "polygonlabels": ["Lesion"]}
    other = {"type": "choices", "value": {"choices": ["good"]}}
    results = [{"type": "polygonlabels", "value": value}, other]
    source = write_json(tmp_path / "export.json", label_studio(results, image))
    mask = drawn(source, tmp_path)
    assert mask.shape == (10, 12) and mask.sum() == 6 and mask[:2, :3].all()


def test_label_studio_brush_strokes() -> None:
    assert np.array_equal(fill_brush(BRUSH, 7, 5), ring())
    with pytest.raises(ValueError, match="brush strokes of 140 values for 8 x 5 pixels"):
        fill_brush(BRUSH, 8, 5)
    with pytest.raises(ValueError, match="end too early"):
        decode_rle(bytes(BRUSH[:9]))


def test_brush_strokes_of_their_own_converter() -> None:
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="label-studio-sdk is not installed"
    )
    _, lesion = make_lesion(np.random.default_rng(2), 60, 80)
    rle = [int(value) for value in brush.mask2rle((lesion > 0).astype(np.uint8) * 255)]
    assert np.array_equal(fill_brush(rle, 60, 80), lesion > 0)


def test_classes_are_chosen(tmp_path: Path) -> None:
    squares = [{"segmentation": [[x, 0, x + 2, 0, x + 2, 2, x, 2]]} for x in (0, 3, 6)]
    source = write_json(tmp_path / "a.json", coco(squares, 4, 10, ("lesion", "ruler", "hair")))
    with pytest.raises(InputError, match=r"has the classes hair, lesion, ruler; name .* --classes"):
        draw_annotations(source, (), tmp_path)
    with pytest.raises(InputError, match=r"--classes mole: .*hair, lesion, ruler; choose from"):
        draw_annotations(source, ("mole",), tmp_path)
    assert drawn(source, tmp_path, "lesion").nonzero()[1].tolist() == [0, 1, 0, 1]
    assert drawn(source, tmp_path, "lesion", "hair").sum() == 8


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "lacks 'categories'"),
        ("[]", "contains no outlines"),
        ("[1, 2]", "cannot be understood"),
        ("not JSON", "cannot be understood"),
        ("<annotations><image/></annotations>", "lacks 'name'"),
        ("<annotations>", "cannot be understood"),
    ],
)
def test_what_is_no_annotation_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(InputError, match=reason):
        draw_annotations(tmp_path / "file", (), tmp_path / "masks")
    assert not (tmp_path / "masks").exists()
    with pytest.raises(InputError, match=r"gone: cannot be read"):
        draw_annotations(tmp_path / "gone", (), tmp_path / "masks")


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    square = [{"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}]
    file = coco(square, 4, 4, ("lesion",))
    file["images"][0]["file_name"] = "../../outside/photo.jpg"
    draw_annotations(write_json(tmp_path / "a.json", file), (), tmp_path / "masks")
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["photo_segmentation.png"]


def test_from_annotations_to_a_data_set(tmp_path: Path) -> None:
    """Broken shapes and images without any are named; the rest becomes masks of 0 and 255."""
    images, shapes = [], []
    for number in range(14):
        image, lesion = make_lesion(np.random.default_rng(number), 48, 64)
        (tmp_path / "raw").mkdir(exist_ok=True)
        write_image(tmp_path / "raw" / f"{number}.jpg", image)
        images.append({"id": number, "file_name": f"{number}.jpg", "height": 48, "width": 64})
        runs = {"size": [48, 64], "counts": runs_of((lesion > 0).T.ravel())}
        if number == 12:
            runs["counts"] = [1, 2, 3]
        if number == 3:
            del images[-1]["width"]
        if number < 13:
            shapes.append({"image_id": number, "category_id": 1, "segmentation": runs})
    file = {"images": images, "annotations": shapes, "categories": [{"id": 1, "name": "lesion"}]}
    source = write_json(tmp_path / "instances.json", file)
    data = tmp_path / "data"
    assert prepare(tmp_path / "raw", data, annotations=source, size=32) == 1
    masks = sorted(data.glob("*_GT/*.png"))
    assert len(masks) == 12
    for path in masks:
        _, lesion = make_lesion(
            np.random.default_rng(int(path.stem.removesuffix("_segmentation"))), 48, 64
        )
        assert np.array_equal(read_mask(path), lesion > 0)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.png")}
    assert prepare(tmp_path / "raw", data, annotations=source, size=32) == 1
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*.png")} == before


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    for options, reason in (
        ({"annotations": tmp_path, "masks": tmp_path}, "--annotations: already provides the masks"),
        ({"annotations": tmp_path, "pairs": tmp_path}, "--pairs: lists every mask itself"),
        ({"classes": ("lesion",)}, "--classes: needs --annotations"),
    ):
        with pytest.raises(InputError, match=reason):
            prepare(tmp_path / "raw", tmp_path / "data", **options)


def two_squares() -> Any:
    """COCO's content: an image `bad` and an image `good`, each with a square of class lesion."""
    square = {"category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}
    return {
        "images": [
            {"id": number, "file_name": f"{name}.jpg", "height": 4, "width": 4}
            for number, name in enumerate(("bad", "good"))
        ],
        "categories": [{"id": 1, "name": "lesion"}],
        "annotations": [{"image_id": number, **square} for number in range(2)],
    }


def list_masks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_masks_of_an_earlier_call_are_removed(tmp_path: Path) -> None:
    source = write_json(tmp_path / "a.json", two_squares())
    assert draw_annotations(source, (), tmp_path / "masks") == []
    assert list_masks(tmp_path / "masks") == ["bad_segmentation.png", "good_segmentation.png"]
    content = two_squares()
    content["annotations"].pop(0)
    write_json(source, content)
    assert len(draw_annotations(source, (), tmp_path / "masks")) == 1
    assert list_masks(tmp_path / "masks") == ["good_segmentation.png"]


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ({"size": [4, 4]}, "lacks 'counts'"),
        ({"counts": [16]}, "lacks 'size'"),
        ({"counts": [], "size": [4, 4]}, "run lengths"),
        ([[0, 0, 2, 0, 2, 2, 0]], "cannot reshape"),
        ([0, 0, 2, 0, 2, 2], "cannot reshape"),
        ([[0, 0, 2, 0, 1e300, 1e300]], "not two numbers"),
    ],
)
def test_a_broken_shape_costs_its_image_only(
    tmp_path: Path, segmentation: Any, reason: str
) -> None:
    content = two_squares()
    content["annotations"][0]["segmentation"] = segmentation
    source = write_json(tmp_path / "a.json", content)
    problems = draw_annotations(source, (), tmp_path / "masks")
    assert len(problems) == 1 and problems[0].startswith("bad.jpg: cannot be drawn")
    assert reason in problems[0]
    assert list_masks(tmp_path / "masks") == ["good_segmentation.png"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"height": 10**9, "width": 10**9}, "1000000000 x 1000000000 > "),
        ({"file_name": "a\0b.jpg"}, "null"),
        ({"file_name": "a\ud800b.jpg"}, "surrogates"),
    ],
)
def test_an_impossible_image_costs_no_other(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    content = two_squares()
    content["images"][0] |= change
    source = write_json(tmp_path / "a.json", content)
    problems = draw_annotations(source, (), tmp_path / "masks")
    assert len(problems) == 1 and reason in problems[0]
    assert list_masks(tmp_path / "masks") == ["good_segmentation.png"]
    content["annotations"].pop()
    with pytest.raises(InputError, match=r"a\.json: no mask can be drawn; the first problem: "):
        draw_annotations(write_json(source, content), (), tmp_path / "masks")


CVAT_SQUARES = """<annotations>
    <image name="bad.jpg"><polygon label="lesion" points="0,0;2,0;2,2;0,2"/></image>
    <image name="good.jpg" width="4" height="4">
        <polygon label="lesion" points="0,0;2,0;2,2;0,2"/>
    </image></annotations>"""


def write_without_size(kind: str, folder: Path) -> Path:
    """Writes two squares, as `two_squares`, in a format; the size of `bad` is not there."""
    if kind == "cvat":
        (folder / "a.xml").write_text(CVAT_SQUARES)
        return folder / "a.xml"
    if kind == "coco":
        content = two_squares()
        del content["images"][0]["height"]
        return write_json(folder / "a.json", content)
    if kind == "labelme":
        shape = {"label": "lesion", "points": [[0, 0], [2, 0], [2, 2], [0, 2]]}
        for name, side in (("bad", None), ("good", 4)):
            size = {"imageHeight": side, "imageWidth": side}
            content = {"imagePath": f"{name}.jpg", "shapes": [shape], **size}
            write_json(folder / f"{name}.json", content)
        return folder
    points = [[0, 0], [50, 0], [50, 50], [0, 50]]
    result = {"type": "polygonlabels", "value": {"points": points, "polygonlabels": ["lesion"]}}
    bad, good = (label_studio([result], f"{name}.jpg")[0] for name in ("bad", "good"))
    del bad["annotations"][0]["result"][0]["original_width"]
    return write_json(folder / "a.json", [bad, good])


@pytest.mark.parametrize("kind", ["coco", "cvat", "labelme", "labelstudio"])
def test_a_size_that_is_not_given_is_the_image_s_own(tmp_path: Path, kind: str) -> None:
    (tmp_path / "source").mkdir()
    source, photos = write_without_size(kind, tmp_path / "source"), tmp_path / "photos"
    reason = r"bad\.jpg: cannot be drawn \(no size is given, and "
    for folder in (None, photos):
        (problem,) = draw_annotations(source, (), tmp_path / "masks", folder)
        assert re.match(rf"{reason}no image of this name", problem)
        assert list_masks(tmp_path / "masks") == ["good_segmentation.png"]
    write_image(photos / "deeper" / "bad.png", np.zeros((6, 8, 3), np.uint8))
    assert draw_annotations(source, (), tmp_path / "masks", photos) == []
    mask = read_mask(tmp_path / "masks" / "bad_segmentation.png")
    assert mask.shape == (6, 8) and mask[:2, :2].all()
    (photos / "deeper" / "bad.png").write_bytes(b"")
    (problem,) = draw_annotations(source, (), tmp_path / "masks", photos)
    assert "bad.png: is empty; copy it again" in problem


@pytest.mark.parametrize(
    "shape", [{"mask": "", "points": [[0, 0]]}, {"mask": "aGk=", "points": []}]
)
def test_a_broken_mask_of_labelme_is_named(tmp_path: Path, shape: dict[str, Any]) -> None:
    entry = {"label": "lesion", "shape_type": "mask", **shape}
    content = {"imagePath": "x.jpg", "imageHeight": 4, "imageWidth": 4, "shapes": [entry]}
    source = write_json(tmp_path / "a.json", content)
    with pytest.raises(InputError, match=r"first problem: x\.jpg: cannot be drawn \("):
        draw_annotations(source, (), tmp_path / "masks")


def test_what_cannot_be_parsed_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "a.json"
    source.write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be understood"):
        draw_annotations(source, (), tmp_path / "masks")
    square = {"type": "polygonlabels", "value": {"points": [], "polygonlabels": ["lesion"]}}
    tasks = label_studio([square], "x.jpg")
    tasks[0]["data"] = {}
    with pytest.raises(InputError, match="a task names no image"):
        draw_annotations(write_json(source, tasks), (), tmp_path / "masks")


def cover_ellipse(
    centre: tuple[float, float], radii: tuple[float, float], degrees: float, height: int, width: int
) -> np.ndarray:
    """The pixels whose middle fulfils the equation of an ellipse that is turned clockwise."""
    y, x = np.indices((height, width)) + 0.5
    turned = np.exp(-1j * np.radians(degrees)) * ((x - centre[0]) + 1j * (y - centre[1]))
    return (turned.real / radii[0]) ** 2 + (turned.imag / radii[1]) ** 2 < 1


def test_ellipses_of_cvat_and_label_studio_are_drawn(tmp_path: Path) -> None:
    expected = cover_ellipse((40, 30), (30, 10), 25, 60, 80)
    source = tmp_path / "annotations.xml"
    source.write_text(
        '<annotations><image name="lesion one.jpg" width="80" height="60"><ellipse label="lesion" '
        'cx="40" cy="30" rx="30" ry="10" rotation="25"/></image></annotations>'
    )
    assert (drawn(source, tmp_path) ^ expected).mean() < 0.001
    value = {"x": 50, "y": 50, "radiusX": 37.5, "radiusY": 100 / 6, "rotation": 25}
    result = {"type": "ellipselabels", "value": {**value, "ellipselabels": ["lesion"]}}
    tasks = label_studio([result], "lesion one.jpg")
    tasks[0]["annotations"][0]["result"][0] |= {"original_width": 80, "original_height": 60}
    mask = drawn(write_json(tmp_path / "tasks.json", tasks), tmp_path)
    assert (mask ^ expected).mean() < 0.001 and mask.sum() > 900


def test_shapes_that_are_not_drawn_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = two_squares()
    content["annotations"] += [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 2, 2]}] * 3
    draw_annotations(write_json(tmp_path / "coco.json", content), (), tmp_path / "coco")
    assert "coco.json: 3 shapes of kind box were left out; " in capsys.readouterr().err

    (tmp_path / "cvat.xml").write_text(
        '<annotations><image name="x.jpg" width="4" height="4"><tag label="good"/>'
        '<polygon label="lesion" points="0,0;2,0;2,2;"/><box label="lesion"/></image></annotations>'
    )
    assert draw_annotations(tmp_path / "cvat.xml", (), tmp_path / "cvat") == []
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "cvat.xml: 1 shapes of kind box were left out; " in said[0]

    square = {"type": "polygonlabels", "value": {"points": [[0, 0], [50, 0], [50, 50]]}}
    square["value"]["polygonlabels"] = ["lesion"]  # type: ignore[index]
    box = {"type": "rectanglelabels", "value": {"x": 1, "y": 1, "rectanglelabels": ["lesion"]}}
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    tasks = label_studio([square, box, choice], "x.jpg")
    draw_annotations(write_json(tmp_path / "tasks.json", tasks), (), tmp_path / "tasks")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "1 shapes of kind rectanglelabels were left out; " in said[0]


def test_kinds_of_labelme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corners = [[0, 0], [3, 0], [3, 2], [0, 2]]
    shapes = [
        {"label": "lesion", "points": corners, "shape_type": None},
        {"label": "lesion", "points": (np.array(corners) + 4).tolist(), "shape_type": "rectangle"},
        {"label": "lesion", "points": corners, "shape_type": "rotation"},
    ]
    content = {"imagePath": "lesion one.jpg", "imageHeight": 9, "imageWidth": 9, "shapes": shapes}
    mask = drawn(write_json(tmp_path / "a.json", content), tmp_path)
    assert mask.sum() == 12 and mask[:2, :3].all() and mask[4:6, 4:7].all()
    assert "1 shapes of kind rotation were left out; " in capsys.readouterr().err
