"""The tab for many photographs, or zips of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import quote, readable, tell, words
from app.prediction import check_scale, write_figure
from app.service import Batch, Service
from app.tabs.languages import LANGUAGES
from app.tabs.shared import PRIVATE, add_knobs
from inference.batch.writer import Done, MaskRow
from inference.masks.morphometry import to_millimetres
from inference.runtime.stream import Failure

PROGRESS = gr.Progress()


def lay_out_batch(service: Service) -> None:
    """Lays out the tab."""
    with gr.Accordion(LANGUAGES("files"), elem_id="chosen") as fold:
        files = gr.File(
            show_label=False,
            file_count="multiple",
            type="filepath",
            elem_id="files",
            height=220,
        )
    with gr.Accordion(LANGUAGES("settings"), open=False):
        knobs = add_knobs(service.contract, "batch")
    run = gr.Button(LANGUAGES("run"), variant="primary", elem_id="run")
    state = gr.Markdown(elem_id="state")
    table = gr.Markdown(elem_id="table", elem_classes="table")
    archive = gr.File(label=LANGUAGES("archive"), elem_id="archive", visible=False)
    gallery = gr.Gallery(label=LANGUAGES("gallery"), columns=4, object_fit="contain", visible=False)

    def run_batch(
        paths: list[str] | None,
        threshold: float,
        largest: bool,
        holes: bool,
        scale: float | None,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[Any, ...]:
        say = words(request)
        if not paths:
            raise gr.Error(say["files_first"], print_exception=False)

        def track(results: Iterable[Done | Failure], total: int) -> Iterator[Done | Failure]:
            for number, result in enumerate(results, 1):
                progress((number, total), unit=say["progress"])
                yield result

        with readable(None, request):
            mm_per_pixel = check_scale(scale, say)
            batch = service.segment_all(
                [Path(path) for path in paths],
                track,
                lambda lesion: lesion.cut(threshold, largest, holes),
                mm_per_pixel,
            )
        return (
            list_failures(batch, say),
            list_results(batch, say, mm_per_pixel),
            gr.File(str(batch.archive), visible=True),
            gr.Gallery(batch.outlines, visible=bool(batch.outlines)),
            gr.Accordion(open=False),
        )

    run.click(
        run_batch,
        [files, *knobs],
        [state, table, archive, gallery, fold],
        show_progress_on=state,
        **PRIVATE,
    )


def list_failures(batch: Batch, say: dict[str, str]) -> str:
    """How many were segmented, and a line for each that was not, as Markdown."""
    said = say["done"].format(done=len(batch.done), failed=len(batch.failures))
    for failure in batch.failures:
        said += f"\n- {say['failed']}{quote(failure.image)}: {quote(tell(failure.error, say))}"
    return said


def list_results(batch: Batch, say: dict[str, str], mm_per_pixel: float | None) -> str:
    """A line for each image, as a Markdown table; the zip's tables have all measures."""
    if not batch.done:
        return ""
    names = ["image", "expected", "area_px", "area_percent", "largest_diameter_px"]
    lines = ["| " + " | ".join(say[name] for name in names) + " |", "|---|---|---:|---:|---:|"]
    for entry in batch.done:
        assert entry.measures
        area, diameter = f"{entry.measures.area_px:,} px²", entry.measures.largest_diameter_px
        longest = f"{write_figure(diameter)} px"
        if known := mm_per_pixel or entry.mm_per_pixel:
            sizes = to_millimetres(entry.measures, known)
            area = f"{write_figure(sizes['area_mm2'])} mm²"
            longest = f"{write_figure(sizes['largest_diameter_mm'])} mm"
        share = f"{write_figure(entry.measures.area_percent)} %"
        name = quote(entry.row.image).replace("|", "\\|")
        lines.append(f"| {name} | {tell_doubt(entry.row, say)} | {area} | {share} | {longest} |")
    return "\n".join(lines)


def tell_doubt(row: MaskRow, say: dict[str, str]) -> str:
    """What the table says on how far an outline can be trusted."""
    if row.warning:
        return say[row.warning.replace(" ", "_")]
    if row.expected_jaccard is None:
        return say["unknown"]
    return f"{row.expected_jaccard:.2f}" + (f" **{say['check']}**" if row.check == "yes" else "")
