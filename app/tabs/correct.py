"""The view in which a mask is corrected, a scale is set, and the pair is kept for training."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.canvas import make_canvas, show_on_canvas
from app.correction import find_scale, read_strokes
from app.errors import readable, words
from app.prediction import Prediction
from app.service import Service
from app.tabs.languages import LANGUAGES
from app.tabs.shared import HIDDEN, PRIVATE


class CorrectionView:
    """Lays out the view; `connect` makes it work.

    Attributes:
        drawn: the event's function, inputs and outputs that show a prediction on the canvas.
    """

    def __init__(self, service: Service, kept: gr.State) -> None:
        self._service, self._kept = service, kept
        gr.Markdown(LANGUAGES("correct_help"))
        self._canvas = make_canvas()
        gr.Markdown(LANGUAGES("kept_here" if service.corrections else "pair_offered"))
        self._save = gr.Button(LANGUAGES("save_pair"), elem_id="save-pair")
        self._saved = gr.Markdown(elem_id="saved")
        self._pair = gr.File(label=LANGUAGES("pair"), visible=False, elem_id="pair")

    def connect(self, knobs: list[Any], shown: dict[str, Any], finished: dict[str, Any]) -> None:
        """Makes strokes and scales change the result.

        Args:
            knobs: threshold, clean-up and scale.
            shown, finished: the events that show the picture, and the measures and files.
        """
        *cuts, scale = [self._kept, *knobs]
        self.drawn: dict[str, Any] = {
            "fn": self._draw,
            "inputs": cuts,
            "outputs": [self._canvas, self._saved, self._pair],
            **HIDDEN,
        }
        corrected = self._canvas.input(
            correct, self._kept, self._kept, trigger_mode="always_last", **HIDDEN
        )
        corrected.success(**shown).success(**finished)
        self._canvas.select(measure_scale, None, scale, **HIDDEN).success(**finished)
        self._save.click(self._keep, cuts, [self._saved, self._pair], **PRIVATE)

    def _draw(
        self,
        kept: Prediction | None,
        threshold: float,
        largest: bool,
        holes: bool,
        request: gr.Request,
    ) -> tuple[gr.HTML, str, gr.File]:
        cut = kept and kept.cut(threshold, largest, holes)
        return show_on_canvas(cut, words(request)), "", gr.File(None, visible=False)

    def _keep(
        self,
        kept: Prediction | None,
        threshold: float,
        largest: bool,
        holes: bool,
        request: gr.Request,
    ) -> tuple[str, gr.File]:
        say = words(request)
        if kept is None:
            raise gr.Error(say["photo_first"], print_exception=False)
        with readable(kept.path, request):
            name, archive = self._service.keep_pair(kept.cut(threshold, largest, holes))
        if archive is None:
            return say["pair_saved"].format(name=name), gr.File(None, visible=False)
        return "", gr.File(str(archive), visible=True)


def correct(kept: Prediction | None, event: gr.EventData, request: gr.Request) -> Prediction | None:
    """The prediction with the strokes that the canvas sends."""
    with readable(None, request):
        return kept and kept.correct(read_strokes(event._data))


def measure_scale(event: gr.EventData, request: gr.Request) -> float:
    """The size of a pixel in mm by the two ends that the canvas sends."""
    with readable(None, request):
        return round(find_scale(event._data), 6)
