"""Corrected masks and their photographs, in folders that `training.prepare` takes.

FOLDER/images/NAME-DIGEST.jpg   the upload, byte for byte; of a DICOM file the image inside
FOLDER/masks/NAME-DIGEST_segmentation.png
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from app.prediction import Prediction
from inference.errors import InputError
from inference.files import write_bytes
from inference.images.formats import bare_name, is_image
from inference.images.pixels import extract_image
from inference.images.write import write_image

MAX_PAIRS = 20_000  # in a folder, which visitors fill
MAX_NAME = 60  # characters of an upload's name that are kept


def save_pair(folder: Path, prediction: Prediction) -> str:
    """Saves a photograph and its mask, both or neither, and returns their name.

    The digest of the photograph ends the name: another photo of that name has its own pair, and the
    same photo, corrected again, replaces its mask.

    Raises:
        InputError: the folder is full, or cannot be written.
        OSError: the photograph has gone.
    """
    data = prediction.path.read_bytes()
    inside = extract_image(prediction.path)  # without the patient
    stem = re.sub(r"[^\w-]+", "-", bare_name(prediction.path)).strip("-_")[:MAX_NAME] or "photo"
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}"
    suffix = prediction.path.suffix.lower() if is_image(prediction.path) else ".png"
    suffix = inside[0] if inside else suffix
    image = folder / "images" / f"{name}{suffix}"
    mask = folder / "masks" / f"{name}_segmentation.png"
    kept = image.exists()
    if not kept and image.parent.is_dir() and sum(1 for _ in image.parent.iterdir()) >= MAX_PAIRS:
        raise InputError(f"the folder of corrections is full: it holds {MAX_PAIRS} pairs")
    try:
        if inside:
            write_bytes(image, inside[1])
        elif is_image(prediction.path):
            write_bytes(image, data)
        else:
            write_image(image, prediction.lesion.image)
        prediction.lesion.save(mask)
    except OSError as error:
        if not kept:
            for path in (image, mask):
                with suppress(OSError):
                    path.unlink()
        raise InputError(
            f"corrections cannot be saved ({error.strerror}): tell the operator of this server"
        ) from error
    return name
