"""Every error that a visitor can meet is said in Chinese too."""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.correction import find_scale, paint, read_strokes
from app.prediction import predict
from app.reasons import translate
from app.service import Service
from app.uploads import hide_path
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter


def fail(function: Any, *arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments)
    return str(caught.value)


@pytest.fixture
def errors(segmenter: Segmenter, photographs: list[Path], tmp_path: Path) -> list[str]:
    whole = photographs[0].read_bytes()
    heic = b"\0\0\0\x18ftypheic" + bytes(200)
    files = {
        "text.jpg": b"no image",
        "heic.jpg": heic,
        "gif.jpg": b"GIF89a" + bytes(50),
        "empty.jpg": b"",
        "half.jpg": whole[: len(whole) // 2],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = []
    for name in files:
        found.append(hide_path(fail(predict, segmenter, tmp_path / name), tmp_path / name))
    service = Service({"one": segmenter})
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as archive:
        archive.writestr("../x.jpg", whole)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("readme.txt", "no image")
    with zipfile.ZipFile(tmp_path / "heic.zip", "w") as archive:
        archive.writestr("photo.heic", heic)
    for name in ("heic.zip", "broken.zip", "outside.zip", "none.zip"):
        batch = service.segment_all([tmp_path / name], lambda results, total: results)
        found += [failure.error for failure in batch.failures]
    found.append(fail(service.segment_all, [], lambda results, total: results))
    found.append(fail(service.compare_models, photographs[0], "one", "x"))
    found.append(fail(predict(segmenter, photographs[0]).cut, 7.0, True, True))
    service.close()
    found.append(fail(read_strokes, None))
    stroke = {"adds": True, "radius": 9000, "points": [[0, 0], [9000, 9000]] * 1000}
    found.append(fail(paint, np.zeros((9, 9), bool), read_strokes({"strokes": [stroke]})))
    found.append(fail(find_scale, None))
    found.append(fail(find_scale, {"ends": [[1, 1], [9, 9]], "millimetres": 0}))
    return found


def test_errors_have_their_chinese(errors: list[str], tmp_path: Path) -> None:
    assert len(errors) == 16
    for english in errors:
        chinese = translate(english)
        assert english not in chinese and str(tmp_path) not in english, english
        assert not re.search("[a-z]+ [a-z]+ [a-z]+", chinese), chinese


def test_what_is_not_listed_is_quoted() -> None:
    assert translate("something new").endswith("something new")
    assert translate("something new") != "something new"
    assert translate("photos/a.jpg: is empty; copy it again").startswith("photos/a.jpg: 文件")


def test_those_that_are_hard_to_make() -> None:
    for said in (
        "has too many pixels (64000001 > 64000000); make it smaller, or raise the limit",
        "does not fit into memory; make it smaller",
        "501 images: at most 500 at once; use python -m inference.segment for more",
        "a: is a DICOM file with 3 frames; save the one that shows the lesion as a separate file",
        "a: is a DICOM file of CT Image Storage, not a photograph; give Dermoscopic Photography",
        "a: is a damaged DICOM file (its header and its pixels disagree); copy it again",
        "a: looks like an image (DICOM), but pydicom is not installed; install it",
        "a: stores its channels apart with 16 bits; save it as RGB",
        "a: may hold images, but is not unpacked; unpack it yourself",
        "a: stores PAM of DEPTH 4 and MAXVAL 255; save it as RGB",
        "a: stores its channels in bits of its own choice; save it as RGB",
        "a: stores white as zero in numbers of type float32; save it as RGB",
        "a: has too long a name, since its results add an ending to it; rename it",
        "a: b_segmentation.png, a file or folder in the output folder, is in the way of its results; ",
        "corrections cannot be saved (No space left on device): tell the operator of this server",
        "the folder of corrections is full: it holds 20000 pairs",
    ):
        assert not translate(said).startswith("无法处理"), said
