"""The tab for one photograph: its sliders and brushes do not run the model again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.canvas import make_canvas, show_on_canvas
from app.correction import find_scale, read_strokes
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
from app.tabs.languages import LANGUAGES, LanguageSwitch
from app.tabs.shared import PRIVATE, Upload, add_examples, add_knobs
from app.traffic_light import judge_outline

FORGET = 3300  # seconds for which a prediction is kept
SHOWN: dict[str, Any] = {
    "show_label": False,
    "interactive": False,
    "height": 420,  # nothing jumps when a picture comes
    "buttons": ["download", "fullscreen"],
}
HIDDEN: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}


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
            photograph = gr.Image(
                label=LANGUAGES("photograph"), elem_id="photograph", height=300, sources="upload"
            )
            examples, served = add_examples(photograph)
        with gr.Column(elem_id="found"):
            light = gr.Markdown(elem_id="light", elem_classes=["light"], min_height=48)
            with gr.Tabs(overflow_behavior="wrap"):
                with switch.name_tab("outline"):
                    outline = gr.Image(elem_id="outline", **SHOWN)
                with switch.name_tab("before_after"):
                    slider = gr.ImageSlider(elem_id="slider", **SHOWN)
                with switch.name_tab("probability"):
                    heat = gr.Image(elem_id="heat", **SHOWN)
                with switch.name_tab("correct"):
                    gr.Markdown(LANGUAGES("correct_help"))
                    canvas = make_canvas()
                    said_kept = "kept_here" if service.corrections else "pair_offered"
                    gr.Markdown(LANGUAGES(said_kept))
                    save = gr.Button(LANGUAGES("save_pair"), elem_id="save-pair")
                    saved = gr.Markdown(elem_id="saved")
                    pair = gr.File(label=LANGUAGES("pair"), visible=False, elem_id="pair")
            measures = gr.Markdown(elem_id="measures", elem_classes="table")
            files = gr.Files(
                label=LANGUAGES("downloads"), interactive=False, elem_id="downloads", visible=False
            )
        with gr.Column(elem_id="settings"), gr.Accordion(LANGUAGES("settings")):
            knobs = add_knobs(service.contract, "one")
    scale = knobs[-1]

    def run_model(upload: Upload, request: gr.Request) -> tuple[Any, ...]:
        if upload is None:
            return None, None, gr.Accordion(open=True)
        path = Path(upload["path"])
        with readable(path, request):
            prediction = predict(service.segmenter, path)
        return prediction, draw_heat(prediction), gr.Accordion(open=False)

    def correct(kept: Prediction | None, event: gr.EventData, request: gr.Request) -> Any:
        if kept is None:
            return None
        with readable(None, request):
            return kept.correct(read_strokes(event._data))

    def measure_scale(event: gr.EventData, request: gr.Request) -> float:
        with readable(None, request):
            return round(find_scale(event._data), 6)

    def show(
        kept: Prediction | None, threshold: float, largest: bool, holes: bool, request: gr.Request
    ) -> tuple[Any, ...]:
        if kept is None:
            return None, None
        say = words(request)
        with readable(None, request):
            drawn = draw_preview(kept.cut(threshold, largest, holes))
            percent = f"{kept.cut(threshold, largest, holes).lesion.measures.area_percent:.1f}"
        told = say["outlined"].format(percent=percent)
        return gr.Image(drawn, alt_text=told), (kept.preview, drawn)

    def show_canvas(
        kept: Prediction | None, threshold: float, largest: bool, holes: bool, request: gr.Request
    ) -> gr.HTML:
        return show_on_canvas(kept and kept.cut(threshold, largest, holes), words(request))

    def finish(
        kept: Prediction | None,
        threshold: float,
        largest: bool,
        holes: bool,
        scale: float | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        if kept is None:
            return gr.Markdown("", elem_classes=["light"]), "", gr.Files(None, visible=False)
        say = words(request)
        with readable(kept.path, request):
            mm_per_pixel = check_scale(scale, say)
            lesion = kept.cut(threshold, largest, holes).lesion
            paths = service.save_measured(lesion, kept.path, mm_per_pixel)
        said = list_measures(lesion.measures, say, mm_per_pixel)
        light, reason = judge_outline(lesion, service.contract, say)
        return (
            gr.Markdown(reason, elem_classes=["light", light]),
            said,
            gr.Files([str(path) for path in paths], visible=True),
        )

    def keep_pair(
        kept: Prediction | None, threshold: float, largest: bool, holes: bool, request: gr.Request
    ) -> tuple[str, gr.File]:
        say = words(request)
        if kept is None:
            raise gr.Error(say["photo_first"], print_exception=False)
        with readable(kept.path, request):
            name, archive = service.keep_pair(kept.cut(threshold, largest, holes))
        if archive is None:
            return say["pair_saved"].format(name=name), gr.File(None, visible=False)
        return "", gr.File(str(archive), visible=True)

    cuts = [kept, *knobs[:-1]]
    shown: dict[str, Any] = {"fn": show, "inputs": cuts, "outputs": [outline, slider], **HIDDEN}
    on_canvas: dict[str, Any] = {"fn": show_canvas, "inputs": cuts, "outputs": canvas, **HIDDEN}
    finished: dict[str, Any] = {
        "fn": finish,
        "inputs": [kept, *knobs],
        "outputs": [light, measures, files],
        **HIDDEN,
    }
    photograph.change(
        run_model,
        photograph,
        [kept, heat, examples],
        show_progress_on=outline,
        preprocess=False,  # the file itself: it is decoded like everywhere else
        **PRIVATE,
    ).success(**shown).success(**finished).success(**on_canvas)
    for knob in knobs[:-1]:
        event = knob.input(**shown, trigger_mode="always_last").success(**finished)
        event.success(**on_canvas)
    canvas.input(correct, kept, kept, trigger_mode="always_last", **HIDDEN).success(
        **shown
    ).success(**finished)
    canvas.select(measure_scale, None, scale, **HIDDEN).success(**finished)
    scale.input(**finished, trigger_mode="always_last")
    save.click(keep_pair, cuts, [saved, pair], **PRIVATE)
    switch.changed(**finished).success(**on_canvas)
    return served
