"""The page of a run in Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.images.write import write_image
from inference.segment import segment
from training.synthetic.lesion import make_lesion

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lesions and a name that would run a script and load a picture if it could."""
    folder = tmp_path_factory.mktemp("report")
    for number, name in enumerate(("one", "two", "<img src=x onerror=alert(1)>&quot;")):
        image, _ = make_lesion(np.random.default_rng(number), 120, 160)
        write_image(folder / "images" / f"{name}.jpg", image)
    options = SegmentOptions(model, folder / "out", ("mask", "report"))
    assert segment([str(folder / "images")], options) == 0
    page = folder / "out" / "report.html"
    text = page.read_text(encoding="utf-8")  # the small model of the tests does not tell doubt
    page.write_text(text.replace('class="card"', 'class="card check"', 1), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def open_page(browser: playwright.Browser, report: Path, **options: object) -> playwright.Page:
    page = browser.new_context(**options).new_page()
    page.goto(report.as_uri())
    return page


def test_filters_work_and_nothing_else_runs(browser: playwright.Browser, report: Path) -> None:
    page = browser.new_context().new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(report.as_uri())
    seen = page.locator(".card:visible")
    assert seen.count() == 3
    page.fill("#search", "TWO")
    assert seen.count() == 1
    page.press("#search", "Enter")
    page.fill("#search", "")
    page.check("#show-check")
    assert seen.count() == 1
    page.check("#show-all")
    assert page.locator(".picture svg:visible").count() == 3
    page.uncheck("#outlines")
    assert seen.count() == 3 and page.locator(".picture svg:visible").count() == 0
    requests = {said for said in heard if not said.startswith("data:")}
    assert requests == {report.as_uri()}
    page.context.close()


def test_it_works_without_scripts(browser: playwright.Browser, report: Path) -> None:
    page = open_page(browser, report, java_script_enabled=False)
    assert page.locator(".card:visible").count() == 3
    page.check("#show-check")
    assert page.locator(".card:visible").count() == 1
    assert not page.locator("#search").is_visible()
    page.context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_follows_the_scheme(
    browser: playwright.Browser, report: Path, width: int, scheme: str
) -> None:
    page = open_page(browser, report, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 382) == (scheme == "light")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".filter").is_visible()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: playwright.Browser, report: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    page = open_page(browser, report, color_scheme=scheme, bypass_csp=True)
    found = axe.Axe().run(page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"]) for each in found]
    page.context.close()
