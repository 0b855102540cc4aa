"""The switch of languages, and the tabs whose names it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import words
from app.i18n import CHINESE, ENGLISH

LANGUAGES = gr.I18n(**{"en": ENGLISH, "zh": CHINESE, "zh-CN": CHINESE, "zh-TW": CHINESE})
SCRIPT = Path(__file__).parents[1] / "languages.js"
TEMPLATE = """<div class="languages" role="group" aria-label="Language / 语言">
  <button type="button" value="en" lang="en">English</button>
  <button type="button" value="zh" lang="zh-CN">中文</button>
</div>"""


class LanguageSwitch:
    """Two buttons. What is written in the page follows by itself, but for the names of tabs.

    Attributes:
        changed: the event after which results are to be said anew.
    """

    def __init__(self) -> None:
        switch = gr.HTML(
            value="",
            html_template=TEMPLATE,
            js_on_load=SCRIPT.read_text(encoding="utf-8"),
            elem_id="languages",
        )
        self.changed: Any = switch.select
        self._tabs: dict[str, gr.Tab] = {}

    def name_tab(self, key: str) -> gr.Tab:
        """A tab by the key of its name."""
        self._tabs[key] = gr.Tab(LANGUAGES(key))
        return self._tabs[key]

    def connect(self) -> None:
        """Makes the names of tabs follow; to be called when all are there."""

        def rename(request: gr.Request) -> list[gr.Tab]:
            return [gr.Tab(label=words(request)[key]) for key in self._tabs]

        self.changed(
            rename,
            None,
            [*self._tabs.values()],
            show_progress="hidden",
            api_visibility="private",
        )
