"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.tabs.shared import EXAMPLES
from inference.batch.options import SegmentOptions
from inference.segment import segment

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
MEASURED = """told => {
    const table = document.querySelector('#measures table');
    return table !== null && document.querySelector('#measures').innerText !== told;
}"""
HARMLESS = ("Method not implemented", "ERR_ABORTED")  # gradio's own

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and the errors on its console."""

    def __init__(self, browser: playwright.Browser, address: str, **options: object) -> None:
        self.page = browser.new_context(**options).new_page()
        self.errors: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address, wait_until="domcontentloaded")
        self.page.wait_for_selector("#photograph")

    def _note(self, message: playwright.ConsoleMessage) -> None:
        if message.type == "error" and not any(word in message.text for word in HARMLESS):
            self.errors.append(message.text)

    def upload(self, path: Path) -> None:
        self.page.set_input_files("#photograph input[type=file]", str(path))

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def visit(browser: playwright.Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address, locale="en-US", viewport={"width": 1200, "height": 900})
    yield visit
    visit.close()


def test_upload_slide_download(
    visit: Visit, photographs: list[Path], model: Path, tmp_path: Path
) -> None:
    page = visit.page
    assert page.title() == "Lesion outlines"
    warning = page.get_by_text("Not a medical device").first.bounding_box()
    assert warning and warning["y"] < 900  # without scrolling
    visit.upload(photographs[0])
    page.wait_for_selector("#measures table")
    before = page.inner_text("#measures")
    assert "Area" in before
    with page.expect_download() as download:
        page.locator("#downloads a").first.click()
    segment([str(photographs[0])], SegmentOptions(model, tmp_path))
    expected = tmp_path / "lesion-0_segmentation.png"
    assert Path(download.value.path()).read_bytes() == expected.read_bytes()

    slider = page.locator("#threshold input[type=range]")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('#measures').innerText !== {before!r}")
    assert page.locator("#slider img").count() == 2
    assert visit.errors == []


def test_a_text_is_refused_in_words(visit: Visit, photographs: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    visit.upload(text)
    visit.page.get_by_text("text.jpg cannot be read as an image: is not an image").first.wait_for()
    visit.page.reload()
    visit.page.wait_for_selector("#photograph")
    visit.upload(photographs[1])
    visit.page.wait_for_selector("#measures table")


def test_batch(visit: Visit, photographs: list[Path], tmp_path: Path) -> None:
    page = visit.page
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8")
    page.get_by_role("tab", name="Batch").click()
    given = [str(path) for path in (*photographs[:2], broken)]
    page.set_input_files("#files input[type=file]", given)
    page.get_by_text("broken").first.wait_for()
    page.click("#run")
    page.get_by_text("2 segmented, 1 failed").wait_for()
    with page.expect_download() as download:
        page.locator("#archive a").first.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sum(name.endswith("_segmentation.png") for name in archive.namelist()) == 2
    assert visit.errors == []


def test_chinese_on_a_dark_telephone(
    browser: playwright.Browser, address: str, photographs: list[Path], tmp_path: Path
) -> None:
    visit = Visit(
        browser,
        address,
        locale="zh-CN",
        color_scheme="dark",
        viewport={"width": 390, "height": 800},
    )
    visit.upload(photographs[0])
    visit.page.wait_for_selector("#measures table")
    assert "面积" in visit.page.inner_text("#measures")
    assert visit.page.get_by_text("非医疗器械").first.is_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.page.screenshot(path=tmp_path / "page.png")
    picture = cv2.imread(str(tmp_path / "page.png"))
    assert picture is not None and np.median(picture) < 80
    assert visit.errors == []
    visit.close()


def test_every_example_and_an_upload_after_it(visit: Visit, photographs: list[Path]) -> None:
    page = visit.page
    told = ""
    for number in range(len(EXAMPLES)):
        page.locator(".gallery-item, .gallery button").nth(number).click()
        page.wait_for_function(MEASURED, arg=told)
        told = page.inner_text("#measures")
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.wait_for_function("document.querySelector('#measures table') === null")
    visit.upload(photographs[0])
    page.wait_for_function(MEASURED, arg=told)
    assert visit.errors == []
