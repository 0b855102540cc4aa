"""The tab for one photograph: its sliders and brushes do not run the model again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import readable, words
from app.prediction import (
    Prediction,
    check_scale,
    draw_heat,
    draw_preview,
    list_measures,
    predict,
)
from app.service import Service
from app.tabs.correct import CorrectionView
from app.tabs.languages import LANGUAGES, LanguageSwitch
from app.tabs.shared import HIDDEN, PRIVATE, Upload, add_examples, add_knobs, add_upload
from app.traffic_light import judge_outline

FORGET = 3300  # seconds for which a prediction is kept
SHOWN: dict[str, Any] = {
    "show_label": False,
    "interactive": False,
    "height": 420,  # nothing jumps when a picture comes
    "buttons": ["download", "fullscreen"],
}
# On a telephone the result stands below what one sees.
TO_RESULT = """() => {
  if (innerWidth <= 700 && document.querySelector("#photograph img"))
    document.getElementById("found").scrollIntoView();
}"""


def lay_out_one(service: Service, switch: LanguageSwitch) -> set[str]:
    """Lays out the tab.

    Args:
        switch: the switch of languages, after which results are said anew.

    Returns:
        The examples, where the page serves them from.
    """
    kept = gr.State(None, time_to_live=FORGET)
    with gr.Column(elem_id="one"):
        with gr.Column(elem_id="given"):
            photograph = add_upload("photograph")
            examples, served = add_examples(photograph)
        with gr.Column(elem_id="found"):
            light = gr.Markdown(
                LANGUAGES("photo_first"), elem_id="light", elem_classes=["light"], min_height=48
            )
            with gr.Tabs(overflow_behavior="wrap"):
                with switch.name_tab("outline"):
                    outline = gr.Image(elem_id="outline", **SHOWN)
                with switch.name_tab("before_after"):
                    slider = gr.ImageSlider(elem_id="slider", **SHOWN)
                with switch.name_tab("probability"):
                    heat = gr.Image(elem_id="heat", **SHOWN)
                with switch.name_tab("correct"):
                    correction = CorrectionView(service, kept)
            measures = gr.Markdown(elem_id="measures", elem_classes="table")
            files = gr.Files(
                label=LANGUAGES("downloads"), interactive=False, elem_id="downloads", visible=False
            )
        with gr.Column(elem_id="settings"), gr.Accordion(LANGUAGES("settings")):
            knobs = add_knobs(service.contract, "one")

    def run_model(upload: Upload, request: gr.Request) -> tuple[Any, ...]:
        if upload is None:
            return None, None, gr.Accordion(open=True)
        path = Path(upload["path"])
        with readable(path, request):
            prediction = predict(service.segmenter, path)
        heat = gr.Image(draw_heat(prediction), alt_text=words(request)["heat"])
        return prediction, heat, gr.Accordion(open=False)

    def show(
        kept: Prediction | None, threshold: float, largest: bool, holes: bool, request: gr.Request
    ) -> tuple[Any, ...]:
        if kept is None:
            return None, None
        with readable(None, request):
            cut = kept.cut(threshold, largest, holes)
            drawn = draw_preview(cut)
        share = cut.lesion.lesion.area / (cut.lesion.height * cut.lesion.width)
        told = words(request)["outlined"].format(percent=f"{100 * share:.1f}")
        return gr.Image(drawn, alt_text=told), (kept.preview, drawn)

    def finish(
        kept: Prediction | None,
        threshold: float,
        largest: bool,
        holes: bool,
        scale: float | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        say = words(request)
        if kept is None:
            nothing = gr.Markdown(say["photo_first"], elem_classes=["light"])
            return nothing, "", gr.Files(None, visible=False)
        with readable(kept.path, request):
            lesion = kept.cut(threshold, largest, holes).lesion
            mm_per_pixel = check_scale(scale, say) or lesion.mm_per_pixel
            paths = service.save_measured(lesion, kept.path, mm_per_pixel)
        said = list_measures(lesion.measures, say, mm_per_pixel)
        light, reason = judge_outline(lesion, service.contract, say)
        return (
            gr.Markdown(reason, elem_classes=["light", light]),
            said,
            gr.Files([str(path) for path in paths], visible=True),
        )

    shown: dict[str, Any] = {
        "fn": show,
        "inputs": [kept, *knobs[:-1]],
        "outputs": [outline, slider],
        **HIDDEN,
    }
    finished: dict[str, Any] = {
        "fn": finish,
        "inputs": [kept, *knobs],
        "outputs": [light, measures, files],
        **HIDDEN,
    }
    correction.connect(knobs, shown, finished)
    photograph.change(
        run_model,
        photograph,
        [kept, heat, examples],
        show_progress_on=outline,
        preprocess=False,  # the file itself: it is decoded like everywhere else
        **PRIVATE,
    ).success(**shown).success(**finished).success(js=TO_RESULT, **PRIVATE).success(
        **correction.drawn
    )
    cut_anew = gr.on([knob.input for knob in knobs[:-1]], **shown, trigger_mode="always_last")
    cut_anew.success(**finished).success(**correction.drawn)
    knobs[-1].input(**finished, trigger_mode="always_last")
    switch.changed(**finished).success(**correction.drawn)
    return served
