"""The page: its heading, its languages and its tabs."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.endpoints import add_endpoints
from app.gate import GatedBlocks
from app.service import Service
from app.tabs.about import lay_out_about
from app.tabs.batch import lay_out_batch
from app.tabs.comparison import lay_out_comparison
from app.tabs.languages import LANGUAGES, LanguageSwitch
from app.tabs.segment import FORGET, lay_out_one

HERE = Path(__file__).parent
FAVICON = HERE / "favicon.svg"
HEAD = f"<script>{(HERE / 'locale.js').read_text(encoding='utf-8')}</script>"
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
CLEAN_UP = (300, FORGET)  # seconds between two clean-ups, and age from which files are deleted


def build_page(service: Service, queue: bool = True) -> GatedBlocks:
    """Lays out the page and connects it to the service.

    Args:
        queue: calls of the endpoints wait in the queue; language models are served without it.
    """
    page = GatedBlocks(title="Lesion outlines", delete_cache=CLEAN_UP, analytics_enabled=False)
    with page:
        switch = LanguageSwitch()
        gr.Markdown(LANGUAGES("heading"), elem_id="heading")
        gr.Markdown(LANGUAGES("warning"), elem_id="warning")
        with switch.name_tab("segment"):
            page.shared = lay_out_one(service, switch)
        with switch.name_tab("batch"):
            lay_out_batch(service)
        if len(service.models) > 1:
            with switch.name_tab("compare"):
                page.shared |= lay_out_comparison(service, switch)
        with switch.name_tab("about"):
            lay_out_about(service)
        switch.connect()
        add_endpoints(service, queue)
    return page
