"""The page of a run: what it says, that it needs nothing else, and that no file's name can harm it."""

from __future__ import annotations

import base64
import os
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.batch import report
from inference.batch.cards import trace_outline
from inference.batch.options import SegmentOptions
from inference.batch.overview import Results
from inference.batch.report import write_report
from inference.batch.writer import Done, MaskRow
from inference.contract import Contract
from inference.masks.morphometry import Measures
from inference.segment import segment
from training.synthetic.lesion import make_lesion

FAR = ("src", "href", "action", "srcset", "data", "poster", "formaction")
HOSTILE = [
    '"><script>alert(1)</script>.jpg',
    "<img src=x onerror=alert(1)> ' & $cards ${style}.jpg",
    "photo\u202egpj.exe.jpg",
    "javascript:alert(1).jpg",
    "line\nbreak\t\x1b[31m.jpg",
    "病灶 läsion %2e%2e #1?.jpg",
]


class Page(HTMLParser):
    """The elements of a page, and all its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def cards(self) -> list[str]:
        return re.findall(r"<article.*?</article>", self.source, re.DOTALL)


def make_image(path: Path, height: int = 96, width: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image, _ = make_lesion(np.random.default_rng(len(path.name)), height, width)
    Image.fromarray(image).save(path, format="JPEG")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images in two folders, and one that cannot be read."""
    folder = tmp_path / "images"
    make_image(folder / "a.jpg")
    make_image(folder / "b.jpg", 200, 90)
    make_image(folder / "sub" / "a.jpg")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def run(images: Path, model: Path, output: Path, **options: float) -> Page:
    save = ("mask", "overlay", "csv", "report")
    segment([str(images)], SegmentOptions(model, output, save, **options))  # type: ignore[arg-type]
    return Page(output / "report.html")


def test_a_card_for_each_image(images: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    page = run(images, model, output)
    assert len(page.cards) == 3
    rows = {line.split(",")[0]: line for line in (output / "masks.csv").read_text().splitlines()}
    for card in page.cards:
        name, folder = (unescape(found) for found in re.findall(r"<bdi>(.*?)</bdi>", card)[:2])
        area = rows[folder + name].split(",")[4]
        assert f"{int(area):,} px\u00b2" in card and "Largest diameter" in card
        for link in re.findall(r'href="(.*?)"', card):
            assert (output / unquote(link)).is_file()
        assert card.count("href=") == 2  # mask and overlay
    assert "Not segmented: 1" in page.text and "broken.jpg: is not an image" in page.text


def test_the_head_says_what_was_done(images: Path, model: Path, tmp_path: Path) -> None:
    page = run(images, model, tmp_path / "out")
    for word in ("Not a medical device", model.name, "threshold0.5", "3 segmented, 1 not", "UTC"):
        assert word in page.text, word
    assert re.search(r"Softwareattention-unet \S", page.text)
    assert "lengths are in pixels" in page.text and "mm" not in page.text.split("<style>")[0][:80]
    assert "kept 0" not in page.text and "{" not in page.cards[0]
    page = run(images, model, tmp_path / "out", mm_per_pixel=0.05)
    assert "0.05 mm" in page.text and all("mm\u00b2" in card for card in page.cards)


def test_the_page_needs_nothing_else(images: Path, model: Path, tmp_path: Path) -> None:
    """It loads nothing, and its policy forbids what it does not carry itself."""
    page = run(images, model, tmp_path / "out")
    for tag, attributes in page.elements:
        for name in FAR:
            value = attributes.get(name) or ""
            assert not value or value.startswith("data:image/jpeg;base64,") or tag == "a"
    assert "url(" not in page.source and "@import" not in page.source
    (policy,) = (each["content"] for each in page.find("meta") if "http-equiv" in each)
    assert policy and "default-src 'none'" in policy and "unsafe" not in policy
    viewport = [each for each in page.find("meta") if each.get("name") == "viewport"]
    assert viewport and "@media print" in page.source and "prefers-color-scheme" in page.source


def test_names_are_text(model: Path, tmp_path: Path) -> None:
    plain = run_names(["plain.jpg"], model, tmp_path / "plain")
    page = run_names(HOSTILE, model, tmp_path / "hostile")
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in plain.elements}
    assert len(page.find("script")) == len(page.find("style")) == 1
    assert len(page.cards) == len(page.find("img")) == len(HOSTILE)
    allowed = {name for _, attributes in plain.elements for name in attributes}
    assert {name for _, attributes in page.elements for name in attributes} <= allowed
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", page.source)
    for link in page.find("a"):
        target = link["href"] or ""
        assert ":" not in target and (tmp_path / "hostile" / "out" / unquote(target)).is_file()


def run_names(names: list[str], model: Path, folder: Path) -> Page:
    for name in names:
        try:
            make_image(folder / "images" / name.replace("/", "\u2044"))
        except OSError:
            pytest.skip(f"this system has no files named {name!r}")
    return run(folder / "images", model, folder / "out")


def test_names_that_are_no_text(model: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"l\xe4sion.jpg")
    make_image(tmp_path / "images" / name)
    save = ("mask", "sheet", "report")
    assert segment([str(tmp_path / "images")], SegmentOptions(model, tmp_path / "out", save)) == 0
    page = Page(tmp_path / "out" / "report.html")
    assert r"l\udce4sion.jpg" in page.text
    (mask,) = page.find("a")
    assert mask["href"] == "l%E4sion_segmentation.png"


def test_a_long_run_shows_what_needs_a_look(
    images: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MAX_IMAGES", 2)
    page = run(images, model, tmp_path / "out")
    assert len(page.cards) == 2 and "Only 2 of 3 images are shown; masks.csv has all" in page.text


def make_results(output: Path, rows: dict[str, tuple[object, ...]], **contract: Any) -> Results:
    """Results of images that are not there, by name, with the last columns of masks.csv."""
    measures = Measures(100, 1.0, 11.3, 12.0, 40.0, 0.9, 0.1, 0.0, 0.9)
    done = [
        (Path(name), Done(MaskRow(name, "", 100, 100, 100, 1.0, *judged), measures))  # type: ignore
        for name, judged in rows.items()
    ]
    stems = {Path(name): Path(name).with_suffix("") for name in rows}
    fingerprint = {
        "models": ["0" * 64],
        "contract": Contract(size=64, **contract).to_json(),
        "flips": False,
    }
    models = (Path("model.onnx"),)
    return Results(output, "", stems, ("mask",), done, [], models, fingerprint, None, 1)


def test_doubt_comes_first_and_is_marked(tmp_path: Path) -> None:
    rows = {
        "sure.jpg": (0.93, "no", ""),
        "doubtful.jpg": (0.799, "yes", ""),
        "empty.jpg": (0.0, "yes", "no lesion"),
        "more doubtful.jpg": (0.41, "yes", ""),
        "letter.jpg": (0.5, "yes", "not a lesion"),
    }
    results = make_results(tmp_path, rows, confidence=(0.0, 0.0, 0.0), check_below=0.8)
    write_report(tmp_path / "report.html", results)
    page = Page(tmp_path / "report.html")
    names = [re.findall("<bdi>(.*?)</bdi>", card)[0] for card in page.cards]
    assert names == ["empty.jpg", "letter.jpg", "more doubtful.jpg", "doubtful.jpg", "sure.jpg"]
    assert [' check"' in card for card in page.cards] == [True] * 4 + [False]
    assert "No lesion was found" in page.cards[0] and "dermoscopic" in page.cards[1]
    assert "Expected overlap 41 %" in page.cards[2] and "Check this outline" in page.cards[2]
    assert "Expected overlap 79 %" in page.cards[3]  # or it would not seem to be below 80
    assert "Expected overlap 93 %" in page.cards[4]
    assert "To check4 (expected overlap below 80 %)" in page.text


def test_a_model_that_does_not_tell(tmp_path: Path) -> None:
    results = make_results(
        tmp_path, {"b.jpg": (), "a.jpg": (None, "", ""), "c": (None, "", "no lesion")}
    )
    write_report(tmp_path / "report.html", results)
    page = Page(tmp_path / "report.html")
    names = [re.findall("<bdi>(.*?)</bdi>", card)[0] for card in page.cards]
    assert names == ["c", "b.jpg", "a.jpg"] and "does not say how sure it is" in page.text
    assert page.source.count('class="doubt"') == 1 and "None" not in page.text


def test_an_image_that_has_gone_has_a_card(images: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(images, model, output)
    gone, back = images / "b.jpg", tmp_path / "b.jpg"
    stamp = gone.stat()
    gone.rename(back)
    make_image(gone, 4, 4)
    gone.write_bytes(b"x" * stamp.st_size)
    os.utime(gone, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # --resume takes it for finished
    page = run(images, model, output, resume=True)
    assert len(page.cards) == 3 and page.text.count("can no longer be read") == 1


def test_thumbnails_are_small_and_upright(model: Path, tmp_path: Path) -> None:
    make_image(tmp_path / "images" / "a.jpg", 900, 600)
    page = run(tmp_path / "images", model, tmp_path / "out")
    (image,) = page.find("img")
    data = base64.b64decode((image["src"] or "").split(",")[1])
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None and pixels.shape == (320, 213, 3) and len(data) < 30_000
    assert page.find("svg")[0]["viewbox"] == "0 0 213 320"


def test_the_outline_is_that_of_the_mask() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:50, 20:70] = True
    mask[20:30, 30:40] = False
    rings = [
        np.array([float(number) for number in ring.split()]).reshape(-1, 2)
        for ring in re.findall(r"M([^Z]*)Z", trace_outline(mask))
    ]
    drawn = np.zeros(mask.shape, np.uint8)
    for colour, ring in zip((1, 0), rings):
        cv2.fillPoly(drawn, [(ring - 0.5).astype(np.int32)], colour)
    assert len(rings) == 2 and np.count_nonzero(drawn != mask) <= 44  # the rim of the hole
    assert trace_outline(np.zeros((4, 4), bool)) == ""
