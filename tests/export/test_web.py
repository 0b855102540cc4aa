"""The page in the browser: its files, and what Chromium computes with them beside what Python does."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export import web_runtime
from export.to_web import to_web
from export.web_page import SOURCES, draw_check, write_page
from export.web_runtime import CPU_FILES, GPU_FILES, fetch_runtime
from inference import load
from inference.errors import InputError
from inference.images.pixels import read_image, read_mask
from inference.images.write import write_image
from inference.models import SHIPPED
from training.synthetic.lesion import make_lesion

CHROMIUM = shutil.which("chromium")
STAND_IN = {f"{name}.js": b"" for name in (*CPU_FILES, *GPU_FILES)}
# (height, width): smaller than the model's input, as large, whole multiples of it, odd, wide, large.
SIZES = [
    *((60, 80), (150, 400), (400, 150), (192, 192), (384, 384), (576, 768), (191, 193), (333, 517)),
    *((767, 1022), (600, 450), (1200, 900), (1504, 1129), (97, 1300), (1944, 2592), (2000, 3008)),
]
SEGMENT = """async ([data, file]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const { openModel } = await import("./model.js");
    const { makeMask, measure } = await import("./mask.js");
    window.model ??= await openModel({ gpu: false });
    const found = await model.segment(new File([bytes], file));
    const { threshold } = model.contract;
    const mask = makeMask(found.probability, model.contract, threshold, found.width, found.height);
    let text = "";
    for (const value of mask.pixels) text += value;
    return { mask: text, width: found.width, height: found.height, ...measure(mask) };
}"""


def test_the_page_is_complete(model: Path, tmp_path: Path) -> None:
    names = write_page(tmp_path / "page", model, STAND_IN)
    assert {*names} == {
        str(path.relative_to(tmp_path / "page")) for path in (tmp_path / "page").rglob("*.*")
    }
    assert (tmp_path / "page" / "model.onnx").read_bytes() == model.read_bytes()
    worker = (tmp_path / "page" / "worker.js").read_text()
    kept = json.loads(next(line for line in worker.splitlines() if "FILES =" in line)[14:-1])
    assert {"./", "model.onnx", "page.js", "runtime/ort.wasm.min.js"} <= {*kept}
    assert "runtime/ort.webgpu.min.js" not in kept  # for the few that have a GPU
    assert "$" not in "".join(kept)
    write_page(tmp_path / "page", SHIPPED, STAND_IN)  # over the earlier one
    assert worker.split("VERSION")[1][:24] not in (tmp_path / "page" / "worker.js").read_text()


def test_nothing_foreign_is_named() -> None:
    for path in SOURCES.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "http:" not in text.replace("http://www.w3.org", "") and "https:" not in text, path
    assert "connect-src 'self'" in (SOURCES / "index.html").read_text(encoding="utf-8")


def test_other_folders_are_left_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="does not hold a page that this command wrote"):
        write_page(tmp_path, model, STAND_IN)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_check_is_that_of_the_page() -> None:
    """As web/model.js draws it, value by value."""
    size = 48
    image = draw_check(size)
    for at in (0, 1, 3 * (24 * size + 24), 3 * (7 * size + 41) + 2, 3 * size * size - 1):
        pixel, colour = divmod(at, 3)
        y, x = divmod(pixel, size)
        inside = (2 * x - size) ** 2 + (2 * y - size) ** 2 < size * size / 4
        expected = ((110, 70, 60) if inside else (220, 180, 160))[colour] + (7 * x + 13 * y) % 16
        assert image.flat[at] == expected


def test_another_runtime_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ort.tgz").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"ort.tgz: is not onnxruntime-web .* as published"):
        fetch_runtime(tmp_path / "ort.tgz")
    with pytest.raises(InputError, match=r"--runtime .*gone.tgz: no such file; `npm pack"):
        fetch_runtime(tmp_path / "gone.tgz")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(web_runtime, "URL", "http://127.0.0.1:9/onnxruntime-web.tgz")
    with pytest.raises(InputError, match=r"cannot be fetched .* `npm pack onnxruntime-web@"):
        fetch_runtime()
    assert not [
        path for path in tmp_path.rglob("*") if path.suffix == ".tgz" and path.name != "ort.tgz"
    ]


# In Chromium from here on.


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the model that ships."""
    if CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium")
    folder = tmp_path_factory.mktemp("web") / "page"
    try:
        to_web(folder)
    except InputError as error:
        pytest.skip(f"no runtime for browsers here: {error}")
    return folder


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(page_folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Files, directory=str(page_folder))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(browser: Any, address: str, **options: Any) -> Any:
    """Opens the page and waits for the model; what it asks for and its errors are noted."""
    page = browser.new_context(**options).new_page()
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("console", lambda said: said.type == "error" and page.errors.append(said.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#photo:not([disabled])", state="attached")
    return page


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Made-up lesions of many sizes, as JPEG and PNG."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for seed, (height, width) in enumerate(SIZES):
        for suffix in (".jpg", ".png") if height < 1000 else (".jpg",):
            image, _ = make_lesion(np.random.default_rng(seed), height, width)
            paths.append(folder / f"{height}x{width}{suffix}")
            write_image(paths[-1], image)
    return paths


def test_masks_are_those_of_python(browser: Any, address: str, photos: list[Path]) -> None:
    """As Python decodes in full; at once it decodes large JPEGs at half their size, a pixel apart."""
    page = visit(browser, address, bypass_csp=True)
    model = load()
    assert len(photos) >= 24
    for path in photos:
        data = base64.b64encode(path.read_bytes()).decode()
        found = page.evaluate(SEGMENT, [data, path.name])
        mask = np.array([*found["mask"]], "U1").reshape(found["height"], found["width"]) == "1"
        whole = model.segment(read_image(path))
        assert mask.shape == whole.mask.shape
        assert mask.any() or path.stem == "97x1300"  # in so narrow a strip nothing is found
        assert find_iou(mask, whole.mask) > 0.9999, path.name
        assert find_iou(mask, model.segment(path).mask) > 0.98, path.name
        assert found["area"] == mask.sum()
        assert found["largest"] == pytest.approx(whole.measures.largest_diameter_px, abs=0.5)


def find_iou(first: np.ndarray, second: np.ndarray) -> float:
    either = (first | second).sum()
    return float((first & second).sum() / either) if either else 1.0


def test_a_photo_becomes_a_mask_that_evaluate_reads(
    browser: Any, address: str, photos: list[Path], tmp_path: Path
) -> None:
    page = visit(browser, address, locale="en-GB", accept_downloads=True)
    page.set_input_files("#photo", photos[8])
    page.wait_for_selector("#outcome:not([hidden])")
    assert "px²" in page.inner_text("#measures")
    page.fill("#scale", "0.02")
    assert "mm²" in page.inner_text("#measures")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / download.value.suggested_filename)
    mask = read_mask(tmp_path / f"{photos[8].stem}_segmentation.png")
    assert np.array_equal(mask, load().segment(photos[8]).mask)
    before = page.inner_text("#measures")
    page.fill("#threshold", "0.9")
    assert page.inner_text("#measures") != before
    page.click("#another")
    page.wait_for_selector("#start:not([hidden])")
    assert page.errors == []
    assert {url.split("/")[2] for url in page.requests if url.startswith("http")} == {
        address.split("/")[2]
    }


def test_what_is_no_image_is_named(browser: Any, address: str, tmp_path: Path) -> None:
    page = visit(browser, address, locale="en-GB")
    (tmp_path / "notes.jpg").write_text("nothing to see")
    page.set_input_files("#photo", tmp_path / "notes.jpg")
    page.wait_for_selector("#status:has-text('notes.jpg: this browser cannot read it')")
    assert page.is_visible("#start")


def test_an_exif_orientation_is_applied(browser: Any, address: str, tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    image, _ = make_lesion(np.random.default_rng(5), 300, 420)
    exif = pillow.Exif()
    exif[274] = 6  # a quarter turn
    pillow.fromarray(image).save(tmp_path / "turned.jpg", exif=exif, quality=92)
    page = visit(browser, address, bypass_csp=True)
    data = base64.b64encode((tmp_path / "turned.jpg").read_bytes()).decode()
    found = page.evaluate(SEGMENT, [data, "turned.jpg"])
    assert (found["height"], found["width"]) == (420, 300)
    expected = load().segment(tmp_path / "turned.jpg").mask
    mask = np.array([*found["mask"]], "U1").reshape(420, 300) == "1"
    assert find_iou(mask, expected) > 0.9999


def test_it_works_offline_in_both_languages_on_a_telephone(
    browser: Any, address: str, photos: list[Path]
) -> None:
    size = {"width": 390, "height": 844}
    page = visit(browser, address, locale="zh-CN", viewport=size, has_touch=True, is_mobile=True)
    assert page.title() == "勾画皮肤病灶"
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("#photo:not([disabled])", state="attached")
    page.set_input_files("#photo", photos[4])
    page.wait_for_selector("#outcome:not([hidden])")
    assert "面积" in page.inner_text("#measures")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.click("#language")
    assert page.title() == "Outline a skin lesion"
    page.context.set_offline(False)


def test_every_word_is_in_both_languages(browser: Any, address: str) -> None:
    page = visit(browser, address, bypass_csp=True)
    kinds = page.evaluate(
        """async () => {
            const { WORDS } = await import("./words.js");
            const kinds = (words) => Object.entries(words).map(([key, text]) => key + typeof text);
            return [kinds(WORDS.en), kinds(WORDS.zh)];
        }"""
    )
    assert kinds[0] == kinds[1]
    used = page.evaluate(
        "() => [...document.querySelectorAll('[data-say]')].map((e) => e.dataset.say)"
    )
    assert {*used} <= {kind.removesuffix("string") for kind in kinds[0]}


def test_a_wrong_model_is_not_used(browser: Any, page_folder: Path, tmp_path: Path) -> None:
    """A browser that computes something else than Python says so and draws nothing."""
    shutil.copytree(page_folder, tmp_path / "page")
    description = json.loads((tmp_path / "page" / "model.json").read_text())
    description["check"][7][1] += 0.01
    (tmp_path / "page" / "model.json").write_text(json.dumps(description))
    handler = partial(Files, directory=str(tmp_path / "page"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(f"http://localhost:{server.server_address[1]}/")
        page.wait_for_selector("#status:has-text('cannot run the model')")
        assert page.is_disabled("#photo")
        server.shutdown()
