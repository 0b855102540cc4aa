"""Named endpoints for programs, by gradio_client or, with --mcp, the Model Context Protocol.

from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")
mask, overlay, geojson, measures = client.predict(handle_file("lesion.jpg"), api_name="/segment")
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import explained
from app.service import Service
from inference.errors import InputError
from inference.images.formats import bare_name


def add_endpoints(service: Service, queue: bool = True) -> None:
    """Adds the endpoints /segment, /segment_all and /describe to the page, invisibly."""
    contract = service.contract

    @explained
    def segment(
        image: str,
        threshold: float = contract.threshold,
        largest_region: bool = contract.largest_region,
        fill_holes: bool = contract.fill_holes,
    ) -> tuple[str, str, str, dict[str, Any]]:
        """Outlines the lesion in a dermoscopic photograph. Not a medical device.

        Args:
            image: File of the photo.
            threshold: A pixel is lesion when its probability is above it, 0 to 1.
            largest_region: Keep only the largest region.
            fill_holes: Fill its holes.

        Returns:
            Files of the mask (PNG, 0 or 255, the photograph's size), of the outline on the photograph
            (JPEG) and of the outline as GeoJSON; and measures of the lesion, in pixels, with the Jaccard
            index that the outline is expected to reach, whether a person should check it, and a warning
            if the photograph shows no lesion; null is unknown, or none.
        """
        if not image:
            raise InputError("no image: upload a photo")
        lesion = service.segmenter.segment(Path(image))
        lesion = lesion.cut(threshold, largest_region, fill_holes)
        mask, overlay, geojson = map(str, service.save(lesion, bare_name(Path(image))))
        return mask, overlay, geojson, {**lesion.measures._asdict(), **lesion.doubt}

    @explained
    def segment_all(images: list[str]) -> tuple[str, list[dict[str, str]]]:
        """Outlines the lesions in many dermoscopic photographs. Not a medical device.

        Args:
            images: Files of the photographs, or zips of them.

        Returns:
            A zip of masks, overlays, outlines and tables; and the photographs that failed, and why.
        """
        paths = [Path(path) for path in images or ()]
        batch = service.segment_all(paths, lambda results, total: results)
        return str(batch.archive), [failure._asdict() for failure in batch.failures]

    def describe() -> dict[str, Any]:
        """Tells what the model is and what it expects of an image.

        Returns:
            The model's contract: size, colours, threshold, clean-up, provenance.
        """
        return dataclasses.asdict(contract)

    with gr.Row(visible=False):
        image, images = gr.File(type="filepath"), gr.File(file_count="multiple", type="filepath")
        threshold = gr.Number(contract.threshold)
        largest, holes = gr.Checkbox(contract.largest_region), gr.Checkbox(contract.fill_holes)
        files = [gr.File() for _ in range(4)]
        result = gr.JSON()
        button = gr.Button()
    limits: dict[str, Any] = {"queue": queue, "concurrency_limit": 2}
    knobs = [threshold, largest, holes]
    button.click(segment, [image, *knobs], [*files[:3], result], api_name="segment", **limits)
    button.click(segment_all, images, [files[3], result], api_name="segment_all", **limits)
    button.click(describe, None, result, api_name="describe", **limits)
