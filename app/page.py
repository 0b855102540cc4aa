"""The page: what stands where, and what happens on a click."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_file_to_cache

from app.card import describe_model
from app.endpoints import add_endpoints
from app.errors import quote, readable, words
from app.gate import GatedBlocks
from app.i18n import CHINESE, ENGLISH
from app.prediction import Prediction, draw_heat, draw_preview, list_measures, predict
from app.service import Service
from inference.batch.writer import Done
from inference.masks.morphometry import Measures
from inference.runtime.stream import Failure

HERE = Path(__file__).parent
FAVICON = HERE / "favicon.svg"
EXAMPLES = [[str(path)] for path in sorted((HERE / "examples").glob("*.jpg"))]
LANGUAGES = gr.I18n(**{"en": ENGLISH, "zh": CHINESE, "zh-CN": CHINESE, "zh-TW": CHINESE})
STYLE = """
.gradio-container { max-width: 1100px !important; margin: auto }
.block.warning { border-left: 4px solid #d97706; padding-left: 0.8em }
"""
FORGET = (300, 3300)  # seconds between two clean-ups, and age from which files are deleted
OUTLINE = "#00ffaa"
PROGRESS = gr.Progress()

Images = tuple[np.ndarray, np.ndarray]
Upload = dict[str, Any] | None  # its file is at "path"
Annotated = tuple[np.ndarray, list[tuple[np.ndarray, str]]]


def build_page(service: Service, queue: bool = True) -> GatedBlocks:
    """Lays out the page and connects it to the service.

    Args:
        queue: calls of the endpoints wait in the queue; language models are served without it.
    """
    page = GatedBlocks(title="Lesion outlines", delete_cache=FORGET, analytics_enabled=False)
    with page:
        gr.Markdown(LANGUAGES("heading"))
        gr.Markdown(LANGUAGES("warning"), elem_classes="warning")
        with gr.Tab(LANGUAGES("segment")):
            page.shared = lay_out_one(service)
        with gr.Tab(LANGUAGES("batch")):
            lay_out_batch(service)
        if len(service.models) > 1:
            with gr.Tab(LANGUAGES("compare")):
                lay_out_comparison(service)
        with gr.Tab(LANGUAGES("about")):
            gr.Markdown(describe_model(service))
        add_endpoints(service, queue)
    return page


def lay_out_one(service: Service) -> set[str]:
    """The tab for one photograph; its sliders do not run the model again.

    Returns:
        The examples, where the page serves them from.
    """
    contract = service.contract
    kept = gr.State(None, time_to_live=FORGET[1])
    with gr.Row():
        with gr.Column():
            photograph = gr.Image(label=LANGUAGES("photograph"), elem_id="photograph")
            threshold = gr.Slider(
                0.01,
                0.99,
                contract.threshold,
                step=0.01,
                label=LANGUAGES("threshold"),
                elem_id="threshold",
            )
            with gr.Row():
                largest = gr.Checkbox(contract.largest_region, label=LANGUAGES("largest"))
                holes = gr.Checkbox(contract.fill_holes, label=LANGUAGES("holes"))
            gr.Examples(EXAMPLES, photograph, api_visibility="private")
        with gr.Column():
            with gr.Tab(LANGUAGES("before_after")):
                slider = gr.ImageSlider(show_label=False, elem_id="slider")
            with gr.Tab(LANGUAGES("outline")):
                outline = gr.AnnotatedImage(show_label=False, color_map={"lesion": OUTLINE})
            with gr.Tab(LANGUAGES("probability")):
                heat = gr.Image(show_label=False, interactive=False)
            measures = gr.Markdown(elem_id="measures")
            files = gr.Files(label=LANGUAGES("downloads"), interactive=False, elem_id="downloads")

    def run_model(
        upload: Upload, request: gr.Request
    ) -> tuple[Prediction | None, np.ndarray | None]:
        if upload is None:
            return None, None
        path = Path(upload["path"])
        with readable(path, request):
            prediction = predict(service.segmenter, path)
        return prediction, draw_heat(prediction)

    def show(prediction: Prediction | None, *knobs: Any) -> tuple[Images | None, Annotated | None]:
        if prediction is None:
            return None, None
        preview, (drawn, mask) = prediction.preview, draw_preview(prediction.cut(*knobs))
        return (preview, drawn), (preview, [(mask.astype(np.float32), "lesion")])

    def finish(
        prediction: Prediction | None,
        threshold: float,
        largest: bool,
        holes: bool,
        request: gr.Request,
    ) -> tuple[str, list[str] | None]:
        if prediction is None:
            return "", None
        lesion = prediction.cut(threshold, largest, holes).lesion
        with readable(prediction.path, request):
            files = service.save(lesion, prediction.path.stem)
        return list_measures(lesion.measures, words(request)), [str(path) for path in files]

    knobs: list[Any] = [threshold, largest, holes]
    shown: dict[str, Any] = {
        "fn": show,
        "inputs": [kept, *knobs],
        "outputs": [slider, outline],
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    finished: dict[str, Any] = {
        "fn": finish,
        "inputs": [kept, *knobs],
        "outputs": [measures, files],
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    photograph.change(
        run_model,
        photograph,
        [kept, heat],
        show_progress_on=slider,
        api_visibility="private",
        preprocess=False,  # the file itself: it is decoded like everywhere else
    ).success(**shown).success(**finished)
    for knob in knobs:
        knob.input(**shown, trigger_mode="always_last").success(**finished)
    return {save_file_to_cache(path, photograph.GRADIO_CACHE) for (path,) in EXAMPLES}


def lay_out_batch(service: Service) -> None:
    """The tab for many photographs, or zips of them."""
    files = gr.File(
        label=LANGUAGES("files"), file_count="multiple", type="filepath", elem_id="files"
    )
    run = gr.Button(LANGUAGES("run"), variant="primary", elem_id="run")
    state = gr.Markdown(elem_id="state")
    gallery = gr.Gallery(label=LANGUAGES("gallery"), columns=4, object_fit="contain")
    table = gr.Dataframe(label=LANGUAGES("table"), interactive=False, wrap=True)
    archive = gr.File(label=LANGUAGES("archive"), elem_id="archive")

    def run_batch(
        paths: list[str] | None, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> tuple[str, Any, Any, str]:
        if not paths:
            raise gr.Error(words(request)["files_first"], print_exception=False)

        def track(results: Iterable[Done | Failure], total: int) -> Iterator[Done | Failure]:
            for number, result in enumerate(results, 1):
                progress((number, total), unit="images")
                yield result

        with readable(None, request):
            batch = service.segment_all([Path(path) for path in paths], track)
        said = words(request)["done"].format(done=len(batch.done), failed=len(batch.failures))
        for failure in batch.failures:
            said += f"\n- {words(request)['failed']}{quote(failure.image)}: {quote(failure.error)}"
        rows = [[entry.row.image, *(entry.measures or ())] for entry in batch.done]
        names = [words(request)[name] for name in Measures._fields]
        return said, batch.outlines, {"headers": ["", *names], "data": rows}, str(batch.archive)

    run.click(
        run_batch,
        files,
        [state, gallery, table, archive],
        show_progress_on=state,
        api_visibility="private",
    )


def lay_out_comparison(service: Service) -> None:
    """The tab that runs two models on one photograph."""
    names = list(service.models)
    with gr.Row():
        first = gr.Dropdown(names, value=names[0], label=LANGUAGES("first"))
        second = gr.Dropdown(names, value=names[1], label=LANGUAGES("second"))
    photograph = gr.Image(label=LANGUAGES("photograph"), elem_id="compared")
    figures = gr.Markdown(elem_id="figures")
    with gr.Row():
        outlines = [gr.Image(show_label=False, interactive=False) for _ in range(2)]
    difference = gr.Image(label=LANGUAGES("difference"), interactive=False)

    def compare(
        upload: Upload, first: str, second: str, request: gr.Request
    ) -> tuple[str, Any, Any, Any]:
        if upload is None:
            return "", None, None, None
        path = Path(upload["path"])
        with readable(path, request):
            found = service.compare_models(path, first, second)
        say = words(request)
        times = "; ".join(
            f"{name}: {1000 * seconds:.0f} ms"
            for name, seconds in zip((first, second), found.seconds)
        )
        said = f"{say['agreement']}: **{found.overlap:.4f}**. {say['time']}: {times}"
        return said, *found.outlines, found.difference

    gr.on(
        [photograph.change, first.input, second.input],
        compare,
        [photograph, first, second],
        [figures, *outlines, difference],
        api_visibility="private",
        preprocess=False,
    )
