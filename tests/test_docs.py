"""The documentation as a site: it builds, fetches nothing from elsewhere, and shows what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.images.pixels import read_image, read_mask
from inference.images.write import write_image
from inference.segment import segment
from tests.benchmarks.peers.__main__ import show
from tests.source_tree import ROOT
from training.synthetic.lesion import make_lesion

CHROMIUM = shutil.which("chromium")
PICTURE = ROOT / "docs" / "demo.jpg"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    pytest.importorskip("mkdocs", reason="no mkdocs: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (flags,) = re.findall(r"\$\(BIN\)/mkdocs build (.*)", makefile)
    assert flags == "--strict", "--quiet would keep strict from seeing warnings"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", flags, "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    assert "Segments one image of any size" in (site / "api.html").read_text(encoding="utf-8")
    card = (site / "model-card.html").read_text(encoding="utf-8")
    assert "Not a medical device." in card and "thresholded jaccard" in card


class Fetched(HTMLParser):
    """Addresses that a browser fetches to show a page; links that a reader follows are none."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        entries = dict(attrs)
        if tag != "a":
            self.found += [
                entries[name] or "" for name in ("src", "href", "data") if name in entries
            ]


def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    assert Fetched('<a href="https://a"></a><img src="https://b">').found == ["https://b"]
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        addresses = Fetched(text).found + re.findall(r"url\(([^)]*)\)", text)
        assert addresses and not [each for each in addresses if "//" in each], page.name
        assert 'class="mermaid"' not in text  # the theme would fetch its renderer
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_a_browser_asks_nobody_else(site: Path, browser: Any) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index", "api", "model-file", "index.zh-CN"):
        page.goto((site / f"{name}.html").as_uri())
    page.close()
    assert asked and not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    image, _ = make_lesion(np.random.default_rng(0), 96, 128)
    write_image(tmp_path / "photo.jpg", image)
    names: dict[str, Any] = {}
    exec(compile(block, "index.md", "exec"), names)
    lesion = names["lesion"]
    assert lesion.mask.shape == (96, 128) and lesion.measures.area_px == lesion.mask.sum() > 0
    expected = lesion.cut(threshold=0.4).mask
    assert np.array_equal(read_mask(tmp_path / "mask.png"), expected)


def test_the_picture_is_the_one_that_make_demo_draws(tmp_path: Path) -> None:
    assert PICTURE.stat().st_size < 200_000
    options = SegmentOptions(output=tmp_path, save=("mask", "overlay", "csv", "sheet"))
    segment([str(ROOT / "app" / "examples")], options)
    drawn, shown = read_image(tmp_path / "sheet.jpg"), read_image(PICTURE)
    assert drawn.shape == shown.shape
    difference = np.abs(drawn.astype(int) - shown).mean()
    assert difference < 2, "another model? run make demo, and copy demo/sheet.jpg to docs/demo.jpg"


def test_the_table_of_peers_is_what_was_measured() -> None:
    page = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")
    figures = json.loads((ROOT / "docs" / "peers.json").read_text(encoding="utf-8"))
    assert show(figures["rows"]) in page and figures["threads"] == 2
