"""cvat.xml: the masks of a run as CVAT for images 1.1, to upload as annotations of a task.

https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/. The task needs the label lesion.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from inference.batch.annotated import find_box, read_masks
from inference.batch.overview import Overview, Results
from inference.files import replacing
from inference.masks.formats.format import CLASS_NAME
from inference.masks.formats.rle import find_counts


def write_cvat(path: Path, results: Results) -> None:
    """Writes an <image> for each, with a <mask> unless it is empty."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    add_task(root, len(results.done))
    for number, (file, mask) in enumerate(read_masks(results)):
        height, width = mask.shape
        size = {"width": str(width), "height": str(height)}
        image = SubElement(root, "image", {"id": str(number), "name": clean(file), **size})
        if box := find_box(mask):
            inside = mask[box.top : box.top + box.height, box.left : box.left + box.width]
            counts = ", ".join(map(str, find_counts(inside.ravel())))
            sides = {side: str(value) for side, value in box._asdict().items()}
            shape = {"label": CLASS_NAME, "source": "auto", "occluded": "0", "rle": counts}
            SubElement(image, "mask", {**shape, **sides, "z_order": "0"})
    indent(root)
    with replacing(path) as temporary:
        ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def add_task(root: Element, images: int) -> None:
    """Adds what CVAT's own exports say of a task, which other programs ask for: its size and labels."""
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "size").text = str(images)
    label = SubElement(SubElement(task, "labels"), "label")
    SubElement(label, "name").text = CLASS_NAME
    SubElement(label, "attributes")


def clean(text: str) -> str:
    """Text without the characters that XML has no way to write."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


CVAT = Overview("cvat", "cvat.xml", "CVAT for images 1.1", write_cvat, shows_masks=True)
