"""Reads the files of annotation tools with other people's programs: datumaro and label-studio-sdk.

python referees.py FOLDER: images in FOLDER/images, masks as FOLDER/NAME_segmentation.png, and the files
coco.json, cvat.xml and labelstudio.json. Run in an environment of their own, as they want another OpenCV.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np


def main(folder: Path) -> None:
    import datumaro
    from label_studio_sdk.converter import brush

    masks = {
        path.name.removesuffix("_segmentation.png"): cv2.imread(str(path), 0) > 0
        for path in folder.glob("*_segmentation.png")
    }
    found: dict[str, dict[str, np.ndarray]] = {"coco": {}, "cvat": {}, "labelstudio": {}}
    for name, kind, target in (
        ("coco", "coco_instances", "annotations/instances_default.json"),
        ("cvat", "cvat", "annotations.xml"),
    ):
        root = folder / name
        shutil.copytree(folder / "images", root / "images")
        (root / target).parent.mkdir(exist_ok=True)
        shutil.copy(next(folder.glob(f"{name}.*")), root / target)
        for item in datumaro.Dataset.import_from(str(root), kind):
            parts = [each.image for each in item.annotations if hasattr(each, "image")]
            found[name][item.id] = np.any(parts, axis=0) if parts else np.zeros(1, bool)
    for task in json.loads((folder / "labelstudio.json").read_text()):
        name = Path(unquote(task["data"]["image"].split("=")[1])).stem
        (result,) = task["predictions"][0]["result"]
        size = result["original_height"], result["original_width"], 4
        found["labelstudio"][name] = (
            brush.decode_rle(result["value"]["rle"]).reshape(size)[..., 3] > 0
        )
    for program, read in found.items():
        assert read.keys() == masks.keys(), (program, sorted(read))
        for name, mask in masks.items():
            assert np.array_equal(read[name], mask), (program, name)
    print(f"{len(masks)} masks read back by datumaro and label-studio-sdk")


main(Path(sys.argv[1]))
