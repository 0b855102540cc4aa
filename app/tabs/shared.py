"""What tabs have in common: the gallery of examples, and the knobs of a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache

from app.tabs.languages import LANGUAGES
from inference.contract import Contract

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.jpg"))
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
HIDDEN: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}

Upload = dict[str, Any] | None  # its file is at "path"


def add_upload(name: str) -> gr.Image:
    """The place for a photograph."""
    return gr.Image(
        label=LANGUAGES("photograph"),
        placeholder=LANGUAGES("drop"),  # type: ignore[arg-type]  # the browser translates it
        elem_id=name,
        height=300,
        sources="upload",
    )


def add_examples(photograph: gr.Image) -> tuple[gr.Accordion, set[str]]:
    """Adds the examples, which fold away.

    Returns:
        The fold, and the examples where the page serves them from.
    """
    with gr.Accordion(LANGUAGES("examples"), elem_classes="examples") as fold:
        gr.Examples(
            [[str(path)] for path in EXAMPLES], photograph, label=LANGUAGES("examples"), **PRIVATE
        )
    return fold, {save_file_to_cache(path, photograph.GRADIO_CACHE) for path in EXAMPLES}


def add_knobs(contract: Contract, tab: str) -> list[Any]:
    """Adds threshold, clean-up and scale, and returns them."""
    threshold = gr.Slider(
        0.01,
        0.99,
        contract.threshold,
        step=0.01,
        label=LANGUAGES("threshold"),
        elem_id=f"threshold-{tab}",
    )
    largest = gr.Checkbox(contract.largest_region, label=LANGUAGES("largest"))
    holes = gr.Checkbox(contract.fill_holes, label=LANGUAGES("holes"))
    scale = gr.Number(
        0, label=LANGUAGES("mm_per_pixel"), minimum=0, step=0.001, elem_id=f"scale-{tab}"
    )
    return [threshold, largest, holes, scale]
