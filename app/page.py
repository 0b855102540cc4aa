"""The page: its heading, its languages and its tabs."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.endpoints import add_endpoints
from app.gate import GatedBlocks
from app.i18n import COOKIE
from app.service import Service
from app.tabs.about import lay_out_about
from app.tabs.batch import lay_out_batch
from app.tabs.comparison import lay_out_comparison
from app.tabs.segment import FORGET, lay_out_one
from app.tabs.shared import LANGUAGES

HERE = Path(__file__).parent
FAVICON = HERE / "favicon.svg"
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
CLEAN_UP = (300, FORGET)  # seconds between two clean-ups, and age from which files are deleted
SWITCH = """<div class="languages" role="group" aria-label="Language / 语言">
  <button type="button" value="en" lang="en">English</button>
  <button type="button" value="zh" lang="zh-CN">中文</button>
</div>"""


def build_page(service: Service, queue: bool = True) -> GatedBlocks:
    """Lays out the page and connects it to the service.

    Args:
        queue: calls of the endpoints wait in the queue; language models are served without it.
    """
    page = GatedBlocks(title="Lesion outlines", delete_cache=CLEAN_UP, analytics_enabled=False)
    with page:
        switch = gr.HTML(
            value="",
            html_template=SWITCH,
            js_on_load=(HERE / "languages.js").read_text(encoding="utf-8"),
            elem_id="languages",
            cookie=COOKIE,
        )
        gr.Markdown(LANGUAGES("heading"), elem_id="heading")
        gr.Markdown(LANGUAGES("warning"), elem_id="warning")
        with gr.Tab(LANGUAGES("segment")):
            page.shared = lay_out_one(service, [switch.select])
        with gr.Tab(LANGUAGES("batch")):
            lay_out_batch(service)
        if len(service.models) > 1:
            with gr.Tab(LANGUAGES("compare")):
                page.shared |= lay_out_comparison(service, [switch.select])
        with gr.Tab(LANGUAGES("about")):
            lay_out_about(service)
        add_endpoints(service, queue)
    return page
