"""HEIC and HEIF files, as telephones write them: libheif decodes them (the extra heic).

libheif turns the image by the file's own irot and imir. The orientation in EXIF data repeats these, and
is for information only (ISO/IEC 23008-12, A.2.1): it is left alone.
"""

from __future__ import annotations

import numpy as np

from inference.errors import DamageError
from inference.images.boxes import walk_boxes
from inference.images.formats import READ_KINDS
from inference.images.limits import TooLargeError, require_pixels

ESSENTIAL = frozenset((b"ftyp", b"meta", b"mdat"))


def decode_heic(data: bytes) -> np.ndarray | None:
    """Decodes the primary image of a HEIC file, upright, without its alpha.

    Of a burst, or an image with thumbnails and maps of depth, that is the one which viewers show.

    Returns:
        (H, W) or (H, W, 3) BGR, uint8, or uint16 with the 10 or 12 bits that are stored; None if
        libheif does not know this kind, or is not installed.

    Raises:
        DamageError: the file is damaged or cut short.
        TooLargeError: it has more pixels than `max_pixels`; it has not been decoded.
    """
    if "HEIC" not in READ_KINDS:
        return None
    import pillow_heif  # here: it loads Pillow, too

    # libheif leaves those tiles black that are not there.
    if any(kind in ESSENTIAL and end > len(data) for kind, _, end in walk_boxes(data)):
        raise DamageError("it ends in the middle of the image")
    try:
        image = pillow_heif.open_heif(
            data, convert_hdr_to_8bit=False, hdr_to_16bit=False, bgr_mode=True
        )
        width, height = image.size
        require_pixels(height, width)
        pixels = np.asarray(image)
    except TooLargeError:
        raise
    except SyntaxError:  # a feature that libheif lacks
        return None
    except (ValueError, EOFError, RuntimeError, OSError, IndexError) as error:
        reason = str(error).strip() or type(error).__name__
        raise DamageError(reason.splitlines()[0]) from error
    return np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else pixels)
