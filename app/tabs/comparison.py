"""The tab that runs two models on one photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import readable, words
from app.service import Comparison, Service
from app.tabs.languages import LANGUAGES, LanguageSwitch
from app.tabs.shared import PRIVATE, Upload, add_examples, add_upload


def lay_out_comparison(service: Service, switch: LanguageSwitch) -> set[str]:
    """Lays out the tab.

    Args:
        switch: the switch of languages, after which results are said anew.

    Returns:
        The examples, where the page serves them from.
    """
    names = list(service.models)
    with gr.Row():
        first = gr.Dropdown(names, value=names[0], label=LANGUAGES("first"))
        second = gr.Dropdown(names, value=names[1], label=LANGUAGES("second"))
    photograph = add_upload("compared")
    examples, served = add_examples(photograph)
    figures = gr.Markdown(elem_id="figures", elem_classes="table")
    with gr.Row():
        outlines = [
            gr.Image(label=name, interactive=False, alt_text=name, visible=False)
            for name in names[:2]
        ]
    difference = gr.Image(label=LANGUAGES("difference"), interactive=False, visible=False)

    def compare(upload: Upload, first: str, second: str, request: gr.Request) -> tuple[Any, ...]:
        if upload is None:
            hidden = [gr.Image(None, visible=False) for _ in range(3)]
            return "", *hidden, gr.Accordion(open=True)
        path, say = Path(upload["path"]), words(request)
        with readable(path, request):
            found = service.compare_models(path, first, second)
        drawn = [
            gr.Image(outline, label=name, alt_text=name, visible=True)
            for name, outline in zip((first, second), found.outlines)
        ]
        differs = gr.Image(found.difference, alt_text=say["difference"], visible=True)
        return describe(found, first, second, say), *drawn, differs, gr.Accordion(open=False)

    gr.on(
        [photograph.change, first.input, second.input, switch.changed],
        compare,
        [photograph, first, second],
        [figures, *outlines, difference, examples],
        preprocess=False,
        **PRIVATE,
    )
    return served


def describe(found: Comparison, first: str, second: str, say: dict[str, str]) -> str:
    """What differs between the models, as Markdown."""
    said = say["alike"]
    if found.overlap < 1:
        only = [f"{100 * share:.2f}" for share in found.alone]
        said = say["differ"].format(
            overlap=f"{100 * found.overlap:.1f}", first=only[0], second=only[1]
        )
    rows = [
        f"| {name} | {100 * area:.2f} % | {1000 * seconds:.0f} ms |"
        for name, area, seconds in zip((first, second), found.areas, found.seconds)
    ]
    head = f"| {say['model']} | {say['area']} | {say['time']} |\n|---|---:|---:|"
    return "\n".join([said, "", head, *rows])
