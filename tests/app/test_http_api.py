"""The plain HTTP routes, as curl calls them."""

import json
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pycocotools import mask as coco

from app.answers import RequestError
from app.http_api import MAX_WAITING, MAX_WAITING_OF_ONE, Segmenting
from app.service import Service
from inference.images.pixels import read_mask
from inference.runtime.segmenter import Segmenter

pytestmark = pytest.mark.filterwarnings("ignore")  # pycocotools' own


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client


def post(
    http: httpx.Client, image: Path | bytes, url: str = "/v1/segment", **options: Any
) -> httpx.Response:
    data = image if isinstance(image, bytes) else image.read_bytes()
    return http.post(url, files={"image": ("lesion.jpg", data)}, **options)


def test_json_tells_mask_and_measures(
    http: httpx.Client, photographs: list[Path], segmenter: Segmenter
) -> None:
    for photograph in photographs:
        lesion = segmenter.segment(photograph)
        answer = post(http, photograph)
        told = answer.json()
        assert answer.status_code == 200 and "\n" not in answer.text
        assert np.array_equal(coco.decode(told["mask"]) > 0, lesion.mask)
        assert told["measures"] == pytest.approx(lesion.measures._asdict(), rel=0.01, abs=0.01)
        assert {
            name: told[name] for name in lesion.doubt
        } == lesion.doubt  # not known of this model
        assert told["threshold"] == lesion.contract.threshold


def test_a_png_comes_if_asked_for_and_threshold_and_clean_up_count(
    http: httpx.Client, photographs: list[Path], tmp_path: Path, segmenter: Segmenter
) -> None:
    loose = {"threshold": "0.2", "largest_region": "false", "fill_holes": "false"}
    wanted = segmenter.segment(photographs[1]).cut(0.2, False, False).mask
    answers = [
        post(http, photographs[1], headers={"Accept": "image/png"}, data=loose),
        post(http, photographs[1], params={**loose, "format": "png"}),
        post(http, photographs[1], params={"threshold": "0.9"}, data={**loose, "format": "png"}),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "image/png"
        (tmp_path / "mask.png").write_bytes(answer.content)
        assert np.array_equal(read_mask(tmp_path / "mask.png"), wanted)
    both = "application/json, image/png"
    assert post(http, photographs[1], headers={"Accept": both}).json()["mask"]


def test_the_name_of_an_upload_is_no_path(
    http: httpx.Client, photographs: list[Path], tmp_path: Path
) -> None:
    data = photographs[0].read_bytes()
    for name in ("../../x.jpg", str(tmp_path / "x.jpg"), "C:\\x.jpg", "a\r\nb", "x" * 5000, "%00"):
        answer = http.post("/v1/segment", files={"image": (name, data)})
        assert answer.status_code in (200, 400) and name not in answer.text
    assert not list(tmp_path.iterdir())


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that claims side x side pixels."""
    size = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_what_is_wrong_is_one_line_with_its_status(
    http: httpx.Client, photographs: list[Path]
) -> None:
    data = photographs[0].read_bytes()
    form = {"content-type": "multipart/form-data; boundary=x"}
    answers = [
        (post(http, b"no image"), 422, "is not an image"),
        (post(http, b""), 422, "is empty"),
        (post(http, data[: len(data) // 2]), 422, "copy it again"),
        (post(http, make_bomb(9000)), 413, "too many pixels"),
        (post(http, make_bomb(2**30)), 422, "PNG"),
        (post(http, bytes(51_000_000)), 413, "longer than"),
        *(
            (post(http, data, data={"threshold": text}), 422, "between 0 and 1")
            for text in ("0", "1", "-1", "7", "nan", "inf", "many", "")
        ),
        (post(http, data, data={"fill_holes": "perhaps"}), 422, "true or false"),
        (post(http, data, params={"format": "gif"}), 422, "json or png"),
        (post(http, data, params={"treshold": "0.5"}), 422, "must be one of"),
        (post(http, data, data={"threshold": "5" * 5000}), 400, "Part exceeded"),
        (http.post("/v1/segment"), 415, "curl -F"),
        (http.post("/v1/segment", json={"image": "x"}), 415, "curl -F"),
        (http.post("/v1/segment", content=data), 415, "curl -F"),
        (http.post("/v1/segment", data={"image": "x"}), 415, "curl -F"),
        (http.post("/v1/segment", files={"file": data}), 400, "part image"),
        (http.post("/v1/segment", files={"a": (None, "b")}), 400, "part image"),
        (http.post("/v1/segment", files=[("image", data)] * 2), 400, "Too many files"),
        (http.post("/v1/segment", content=b"junk", headers=form), 400, "Invalid"),
        (http.post("/v1/segment", content=b"--x\r\n\r\n", headers=form), 400, "Send one file"),
        (http.post("/v1/segment", content=b"", headers={"content-type": form["content-type"][:19]}),
         400, "boundary"),
    ]  # fmt: skip
    for answer, status, told in answers:
        error = json.loads(answer.text)["error"]
        assert (answer.status_code, told in error, "\n" in error) == (status, True, False), error
    assert http.get("/v1/segment").status_code == 405


def test_all_are_served_however_many_come_at_once(
    http: httpx.Client, photographs: list[Path]
) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: post(http, photographs[number % 2]), range(48)))
    assert {answer.status_code for answer in answers} == {200}
    areas = [answer.json()["measures"]["area_px"] for answer in answers]
    assert len(set(areas[::2])) == len(set(areas[1::2])) == 1


def test_too_many_are_told_to_come_back(segmenter: Segmenter) -> None:
    service = Service({"one": segmenter})
    segmenting = Segmenting(service)
    for number in range(MAX_WAITING_OF_ONE):
        segmenting.enter("one")
        assert segmenting.waiting["one"] == number + 1
    with pytest.raises(RequestError) as error:
        segmenting.enter("one")
    assert error.value.answer().status_code == 429
    for number in range(MAX_WAITING - MAX_WAITING_OF_ONE):
        segmenting.enter(f"another {number}")
    with pytest.raises(RequestError) as error:
        segmenting.enter("last")
    answer = error.value.answer()
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    segmenting.leave("another 0")
    segmenting.enter("last")
    service.close()


def test_those_who_run_it_see_health_and_figures(
    http: httpx.Client, photographs: list[Path]
) -> None:
    assert http.get("/healthz").json()["status"] == "ok"

    def count(status: int) -> float:
        start = f'lesions_requests_total{{door="v1",status="{status}"}} '
        lines = http.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))

    before = count(200), count(422)
    post(http, photographs[0])
    post(http, b"no image")
    assert (count(200), count(422)) == (before[0] + 1, before[1] + 1)
    for number in range(20):
        http.get(f"/no-such-page-{number}")
    figures = http.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=")
    assert "no-such-page" not in figures.text
    deadline = time.monotonic() + 10  # an answer is read before its request has been counted out
    while "lesions_requests_in_progress 1.0" not in http.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
