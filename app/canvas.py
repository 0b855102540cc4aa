"""The canvas on which a visitor corrects a mask, and what it is given."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import numpy as np

from app.prediction import Prediction, shrink_mask, to_data_url
from inference.masks.drawing import OUTLINE

SCRIPT = Path(__file__).with_name("canvas.js")
TEMPLATE = """<div class="canvas" hidden>
  <div class="tools"></div>
  <div class="view"><canvas tabindex="0" role="application"></canvas></div>
</div>"""
SAID = "brush eraser ruler radius undo clear zoom length canvas".split()


def make_canvas() -> gr.HTML:
    """An empty canvas: its events are `input` (strokes) and `select` (a scale)."""
    return gr.HTML(
        value="",
        html_template=TEMPLATE,
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        picture="",
        elem_id="canvas",
    )


def show_on_canvas(prediction: Prediction | None, words: dict[str, str]) -> gr.HTML:
    """The canvas with a photo, the model's mask and the strokes on it; empty without a photo."""
    if prediction is None:
        return gr.HTML(value="", picture="")
    mask = shrink_mask(prediction.correct(()))
    coloured = np.zeros((*mask.shape, 4), np.uint8)
    coloured[mask] = (*OUTLINE[::-1], 255)
    lesion = prediction.lesion
    given = {
        "mask": to_data_url(coloured, "png"),
        "width": lesion.width,
        "height": lesion.height,
        "strokes": [
            {"adds": adds, "radius": radius, "points": points.tolist()}
            for adds, radius, points in lesion.strokes
        ],
        "words": {name: words[name] for name in SAID},
    }
    picture = to_data_url(prediction.preview, "jpeg")
    return gr.HTML(value=json.dumps(given), picture=picture)
