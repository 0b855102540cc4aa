"""coco.json: the masks of a run as COCO instances, https://cocodataset.org/#format-data, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference.batch.annotated import find_box, read_masks
from inference.batch.overview import Overview, Results
from inference.files import write_json
from inference.masks.formats.format import CLASS_NAME
from inference.masks.formats.rle import encode_rle


def write_coco(path: Path, results: Results) -> None:
    """Writes all images and an annotation of run lengths for each mask that is not empty; ids from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (file, mask) in enumerate(read_masks(results), 1):
        height, width = mask.shape
        images.append({"id": number, "file_name": file, "height": height, "width": width})
        if box := find_box(mask):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": encode_rle(mask),
                    "area": int(mask.sum()),
                    "bbox": list(box),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 1, "name": CLASS_NAME, "supercategory": ""}]
    write_json(path, {"images": images, "annotations": annotations, "categories": categories})


COCO = Overview("coco", "coco.json", "COCO instances", write_coco, shows_masks=True)
