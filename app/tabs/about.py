"""The tab about the model: three figures, its limits, and the rest behind a fold."""

from __future__ import annotations

import gradio as gr

from app.card import describe_model, read_scores
from app.service import Service
from app.tabs.languages import LANGUAGES

FIGURES = ("dice", "jaccard", "sensitivity")


def lay_out_about(service: Service) -> None:
    """Lays out the tab."""
    if scores := read_scores(service.segmenter.path):
        with gr.Row(elem_id="figures-of-model"):
            for name in FIGURES:
                low, high = scores["intervals"][name]
                with gr.Column(elem_classes="figure", min_width=80):
                    gr.Markdown(f"## {scores[name]:.3f}")
                    gr.Markdown(LANGUAGES(name))
                    gr.Markdown(f"{low:.3f} to {high:.3f}")
        gr.Markdown(LANGUAGES("scored"))
    gr.Markdown(LANGUAGES("limits"))
    with gr.Accordion(LANGUAGES("card"), open=False):
        gr.Markdown(describe_model(service), elem_id="card")
