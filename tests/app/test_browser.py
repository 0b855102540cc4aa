"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.i18n import ENGLISH
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

    slider = page.locator("#threshold-one input[type=range]")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('#measures').innerText !== {before!r}")
    assert page.locator("#outline img").get_attribute("alt", timeout=5000)
    page.get_by_role("tab", name="Before/after").click()
    page.locator("#slider img").nth(1).wait_for()
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
    assert page.locator("#table tbody tr").count() == 2
    assert not page.locator("#files").is_visible()  # the list folds
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
    upload = visit.page.locator("#photograph").bounding_box()
    outline = visit.page.locator("#outline").bounding_box()
    settings = visit.page.locator("#settings").bounding_box()
    assert upload and outline and settings
    assert upload["y"] < outline["y"] < settings["y"]
    assert outline["y"] >= 0 and outline["y"] + outline["height"] <= 800  # seen as a whole
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.page.screenshot(path=tmp_path / "page.png")
    picture = cv2.imread(str(tmp_path / "page.png"))
    assert picture is not None and np.median(picture) < 80
    assert visit.errors == []
    visit.close()


def test_every_example_and_an_upload_after_it(visit: Visit, photographs: list[Path]) -> None:
    page = visit.page
    told = ""
    examples = page.locator("#given .gallery-item")
    for number in range(len(EXAMPLES)):
        if number:
            page.locator("#given .examples > button").click()  # they have folded away
        examples.nth(number).click()
        told = wait_for_change(page, told)
        examples.first.wait_for(state="hidden")
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.wait_for_function("document.querySelector('#measures table') === null")
    examples.first.wait_for()
    visit.upload(photographs[0])
    page.wait_for_function(MEASURED, arg=told)
    assert visit.errors == []


def paint(page: playwright.Page, *places: tuple[float, float]) -> None:
    """Draws a stroke on the canvas, between places that are shares of its sides."""
    canvas = page.locator("#canvas canvas")
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    assert frame
    points = [
        (frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in places
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def download_mask(page: playwright.Page, shown: list[str]) -> np.ndarray:
    """The mask that is offered, once it is another than the last one of `shown`."""
    links = "document.querySelector('#downloads a')?.href"
    page.wait_for_function(f"last => {links} && {links} !== last", arg=shown[-1])
    shown.append(page.evaluate(links))
    with page.expect_download() as download:
        page.locator("#downloads a").first.click()
    mask = cv2.imread(str(download.value.path()), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return np.asarray(mask)


def wait_for_change(page: playwright.Page, told: str) -> str:
    page.wait_for_function(MEASURED, arg=told)
    return page.inner_text("#measures")


def test_correct_undo_and_measure(visit: Visit, photographs: list[Path], tmp_path: Path) -> None:
    page = visit.page
    visit.upload(photographs[2])  # shown smaller than it is
    page.wait_for_selector("#measures table")
    told, shown = page.inner_text("#measures"), [""]
    before = download_mask(page, shown)
    page.get_by_role("tab", name="Correct").click()
    page.locator("#canvas canvas").wait_for()
    page.wait_for_function("document.querySelector('#canvas canvas').width === 900")
    paint(page, (0.05, 0.9), (0.2, 0.95))
    brushed = wait_for_change(page, told)
    after = download_mask(page, shown)
    touched = np.argwhere(before != after)
    assert len(touched) and set(np.unique(after)) == {0, 255}
    top, left = touched.min(0) / after.shape
    bottom, right = touched.max(0) / after.shape
    assert 0.8 < top < bottom <= 1 and left < 0.1 and 0.15 < right < 0.3
    assert (after[before != after] == 255).all()
    page.get_by_role("button", name="Eraser").click()
    paint(page, (0.1, 0.92))
    erased = wait_for_change(page, brushed)
    assert not np.array_equal(download_mask(page, shown), after)
    canvas = page.locator("#canvas canvas")
    canvas.press("Control+z")
    wait_for_change(page, erased)
    assert np.array_equal(download_mask(page, shown), after)
    page.get_by_role("button", name="Undo").click()
    wait_for_change(page, brushed)
    assert np.array_equal(download_mask(page, shown), before)

    page.get_by_role("button", name="Scale").click()
    paint(page, (0.1, 0.5))
    paint(page, (0.9, 0.5))
    page.get_by_text("mm²").first.wait_for()
    scale = float(page.input_value("#scale-one input"))
    assert scale == pytest.approx(10 / (0.8 * 1300), rel=0.02)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save for training").click()
        page.locator("#pair a").first.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        (image,) = (name for name in archive.namelist() if "/images/" in name)
        assert archive.read(image) == photographs[2].read_bytes()
    assert visit.errors == []


def test_keys_paint(visit: Visit, photographs: list[Path]) -> None:
    page = visit.page
    visit.upload(photographs[0])
    page.wait_for_selector("#measures table")
    told = page.inner_text("#measures")
    page.get_by_role("tab", name="Correct").click()
    canvas = page.locator("#canvas canvas")
    page.wait_for_function("document.querySelector('#canvas canvas').width === 256")
    page.get_by_role("button", name="Eraser").press("Enter")
    canvas.focus()
    for key in ("ArrowLeft", "ArrowUp", "Space"):
        canvas.press(key)
    wait_for_change(page, told)
    assert visit.errors == []


def test_the_switch_says_everything_anew(
    visit: Visit, photographs: list[Path], tmp_path: Path
) -> None:
    page = visit.page
    visit.upload(photographs[0])
    page.wait_for_selector("#measures table")
    told = page.inner_text("#measures")
    page.get_by_role("button", name="中文").click()
    wait_for_change(page, told)
    page.get_by_role("tab", name="关于").wait_for()
    for _ in range(2):  # the second time as it is opened
        text = page.locator("body").inner_text()
        text = text.replace("English", "")
        left = [said for said in ENGLISH.values() if re.search(rf"\b{re.escape(said)}\b", text)]
        assert not left and page.title() == "病灶轮廓"
        page.reload()
        page.get_by_role("tab", name="关于").wait_for()
        visit.errors.clear()  # what was under way is broken off
    text_file = tmp_path / "text.jpg"
    text_file.write_text("no image")
    visit.upload(text_file)
    page.get_by_text("不是可读取的图像").first.wait_for()
    assert visit.errors == []
    page.get_by_role("button", name="English").click()  # nothing is shown: the page is loaded anew
    page.get_by_role("tab", name="About").wait_for()


@pytest.mark.parametrize(("locale", "scheme"), [("en-US", "light"), ("zh-CN", "dark")])
def test_axe_finds_nothing_serious(
    browser: playwright.Browser, address: str, photographs: list[Path], locale: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    visit = Visit(
        browser,
        address,
        locale=locale,
        color_scheme=scheme,
        viewport={"width": 1200, "height": 900},
    )
    page = visit.page
    found = []

    def check(place: str) -> None:
        page.wait_for_timeout(300)  # while colours fade
        found.extend(
            f"{place}: {each['id']}: {each['nodes'][0]['html'][:120]}"
            for each in axe.Axe().run(page).response["violations"]
            if each["impact"] in ("serious", "critical")
        )

    check("empty")
    visit.upload(photographs[0])
    page.wait_for_selector("#measures table")
    tabs = [tab for tab in page.get_by_role("tab").all() if tab.is_visible()]
    for tab in (*tabs[4:], *tabs[1:4]):
        tab.click()
        check(tab.inner_text())
    assert len(tabs) == 8 and not found, "\n".join(found)
    assert visit.errors == []
    visit.close()


def test_compare_says_what_differs(visit: Visit, photographs: list[Path]) -> None:
    page = visit.page
    page.get_by_role("tab", name="Compare").click()
    page.locator(".examples .gallery-item:visible").first.click()
    page.get_by_text("The two masks are identical.").wait_for()
    assert page.locator("#figures tbody tr").count() == 2
    assert visit.errors == []
