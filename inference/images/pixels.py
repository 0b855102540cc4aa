"""Files to pixels: the project's only decoder and its only image resize.

Training, export and the app use them too, so that a model sees in use what it saw in training.
"""

from __future__ import annotations

import re
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from inference.errors import DamageError, DicomError, InputError
from inference.images.codecs import jpeg
from inference.images.codecs.bmp import decode_bmp
from inference.images.codecs.depth import to_bytes
from inference.images.codecs.heic import decode_heic
from inference.images.codecs.jpeg import Header, decode_jpeg
from inference.images.codecs.netpbm import decode_netpbm, is_netpbm, read_maxval
from inference.images.codecs.orientation import read_prefixed, turn, turn_avif
from inference.images.codecs.tiff import ANY, decode_tiff, is_tiff
from inference.images.formats import (
    READ_KINDS,
    SNIFFED,
    explain_unread,
    is_dicom,
    kind_of_bytes,
)
from inference.images.limits import TooLargeError, max_pixels
from inference.images.mask import to_lesion, to_levels, undo_spread
from inference.images.mask_levels import MaskLevels

PNG_BITS, PNG_COLOUR = 24, 25  # where the header says them
PNG_GREY = 0  # the type of colour
PNG_START, PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"  # the last chunk and its checksum

MAX_BYTES = 2**31  # of a file: a sparse file can claim any size
# Sides of a reduced JPEG are at least this many times the size wanted. On 454 validation images at
# cameras' sizes, 2 instead of 4 changes dice by -0.0003 (with sensor noise) to +0.0002 and decodes a
# third faster.
SPARE = 2


class TooManyPixelsError(InputError):
    """An image of more pixels than `max_pixels`; it has not been decoded."""

    def __init__(self, path: Source, reason: object) -> None:
        super().__init__(
            f"{path}: has too many pixels ({reason}); make it smaller, or raise the limit in the "
            "environment variable OPENCV_IO_MAX_IMAGE_PIXELS if you trust it"
        )


class Source(Protocol):
    """Where an image's bytes come from: a `Path`, or anything that can be read like one."""

    def read_bytes(self) -> bytes: ...


class Encoded(NamedTuple):
    """A file's bytes, what they say of themselves if they are a JPEG, and of the size of their pixels.

    The bytes are an image file's: those of the frame in a DICOM file.
    """

    data: bytes
    header: Header | None
    mm_per_pixel: float | None = None


class Resized(NamedTuple):
    """An image at the model's size, its original size in pixels, and that of a pixel if it is known."""

    pixels: np.ndarray  # (S, S, 3) uint8 RGB
    height: int
    width: int
    mm_per_pixel: float | None = None


def read_image(path: Source) -> np.ndarray:
    """Decodes an image file: orientation applied, first frame only, alpha dropped.

    Grey, palette and CMYK become RGB; more than 8 bits become 8 as `depth.to_bytes` does it.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: not an image, a damaged one, or one with more pixels than `max_pixels`.
        OSError: the file cannot be opened.
    """
    return cv2.cvtColor(decode_colours(path, read_whole(path)), cv2.COLOR_BGR2RGB)


def read_resized(path: Source, size: int) -> Resized:
    """Does what `resize(read_image(path), size)` does, faster.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the smallest that leaves both sides at least
    SPARE * `size`: the decoder then averages blocks that the resize would average anyway. Pixels differ
    by less than 1 of 255 on average.

    Raises:
        InputError, OSError: as `read_image`.
    """
    encoded = read_whole(path)
    header = encoded.header
    scale = choose_reduction(header.height, header.width, size) if header else 1
    pixels = decode_colours(path, encoded, scale)
    height, width = header.sides if header else pixels.shape[:2]
    seen = cv2.cvtColor(resize(pixels, size), cv2.COLOR_BGR2RGB)
    return Resized(seen, height, width, encoded.mm_per_pixel)


def choose_reduction(height: int, width: int, size: int) -> int:
    """The factor by which a JPEG of this size is reduced while decoding: 8, 4, 2 or 1."""
    if height * width > max_pixels():
        return 1  # OpenCV then refuses it; it checks the size after reduction
    for scale in jpeg.REDUCED:
        sides = -(-height // scale), -(-width // scale)
        # Different sides stay different: the models that ship were trained on pixels made so.
        distinct = height == width or sides[0] != sides[1]
        if min(sides) >= SPARE * size and distinct:
            return scale
    return 1


def read_mask(path: Source, mask_levels: MaskLevels | None = None) -> np.ndarray:
    """Decodes a mask file; lesion by the rule of the official ISIC scorer, unless `mask_levels` is "01".

    Returns:
        (H, W) bool, as `mask.to_lesion` returns it.

    Raises:
        InputError, OSError: as `read_levels`.
    """
    return to_lesion(read_levels(path), mask_levels)


def read_levels(path: Source) -> np.ndarray:
    """Decodes a mask file to one channel without thresholding it; EXIF orientation applied.

    Returns:
        (H, W) uint8.

    Raises:
        InputError: not an image, a truncated one, or none with a single channel of levels.
        OSError: the file cannot be opened.
    """
    encoded = read_whole(path, masks=True)
    pixels = decode(path, encoded)
    try:
        levels = to_levels(pixels)
    except ValueError as error:
        raise InputError(f"{path}: {error}; save the mask as a grey PNG of 0 and 255") from error
    if pixels.ndim == 3 and levels.min() == levels.max() and varies_in_alpha(encoded.data):
        raise InputError(
            f"{path}: has one colour, with its outline in the alpha channel; "
            "save the mask as a grey PNG of 0 and 255"
        )
    bits = grey_png_bits(encoded.data)
    return undo_spread(levels, bits) if 1 < bits < 8 else levels


def grey_png_bits(data: bytes) -> int:
    """How many bits a pixel has in a PNG file that is grey and nothing else; 0 for any other file."""
    grey = data.startswith(PNG_START) and data[PNG_COLOUR : PNG_COLOUR + 1] == bytes([PNG_GREY])
    return data[PNG_BITS] if grey else 0


def varies_in_alpha(data: bytes) -> bool:
    """True if an image has an alpha channel that is not the same everywhere."""
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return (
        stored is not None
        and stored.ndim == 3
        and stored.shape[2] == 4
        and bool(np.ptp(stored[..., 3]))
    )


def holds_mask(path: Source, lesion: np.ndarray) -> bool:
    """True if a file is an upright grey PNG of 8 bits: 255 where (H, W) bool `lesion`, else 0."""
    data = read_whole(path, masks=True).data
    if grey_png_bits(data) != 8:
        return False
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return stored is not None and np.array_equal(stored, np.where(lesion, 255, 0))


def read_whole(path: Source, masks: bool = False) -> Encoded:
    """Reads a file; refuses empty files and truncated JPEG or PNG, which OpenCV would pad with grey.

    Args:
        masks: also take the mask out of a DICOM SEG.
    """
    if isinstance(path, Path):
        status = path.stat()
        if not S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:  # a pipe may never end
            raise InputError(f"{path}: is not a regular file of up to {MAX_BYTES} bytes; give one")
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path}: is empty; copy it again")
    mm_per_pixel = None
    if is_dicom(data) and "DICOM" in READ_KINDS:
        data, mm_per_pixel = unwrap_dicom(path, data, masks)
    header = jpeg.read_header(data)
    whole: bytes | None = data
    if data.startswith(jpeg.START):
        whole = jpeg.finish(data, header)
    elif data.startswith(PNG_START) and data.rfind(PNG_END) < 0:
        whole = None
    if whole is None:
        raise InputError(f"{path}: ends in the middle of the image; copy it again")
    return Encoded(whole, header, mm_per_pixel)


def unwrap_dicom(path: Source, data: bytes, masks: bool) -> tuple[bytes, float | None]:
    """The image file in a DICOM file, and the size of its pixels in mm if it is known."""
    from inference.dicom.unwrap import unwrap  # loads pydicom, which few need

    try:
        return unwrap(data, masks)
    except TooLargeError as error:
        raise TooManyPixelsError(path, error) from error
    except DicomError as error:
        raise InputError(f"{path}: {error}") from error


def extract_image(path: Source) -> tuple[str, bytes] | None:
    """The image in a DICOM file as a file of its own, without the patient: its suffix and bytes.

    None for any other file. A JPEG stays what it is; other pixels become a PNG of 8 bits.

    Raises:
        InputError, OSError: as `read_image`.
    """
    if not is_dicom(path.read_bytes()):
        return None
    encoded = read_whole(path)
    if encoded.header:
        return ".jpg", encoded.data
    return ".png", cv2.imencode(".png", decode_colours(path, encoded))[1].tobytes()


def decode_colours(path: Source, encoded: Encoded, scale: int = 1) -> np.ndarray:
    """Decodes to (H, W, 3) uint8 BGR, upright; a JPEG at 1/`scale` of its size."""
    pixels = decode(path, encoded, scale)
    try:
        pixels = to_bytes(pixels, read_maxval(encoded.data))
    except ValueError as error:
        raise InputError(f"{path}: {error}; save it with 8 bits") from error
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels


def decode(path: Source, encoded: Encoded, scale: int = 1) -> np.ndarray:
    """Decodes to (H, W) or (H, W, 3) BGR, upright, with as many bits as are stored."""
    data, header, _ = encoded
    kind = kind_of_bytes(data[:SNIFFED])
    try:
        if header:
            pixels = decode_jpeg(data, header, scale)
        elif is_tiff(data):
            pixels = decode_tiff(data)
        elif kind == "HEIC":
            pixels = decode_heic(data)
        elif kind == "BMP":
            pixels = decode_bmp(data)
        elif is_netpbm(data):
            pixels = decode_netpbm(data)
        else:
            pixels = decode_other(data, kind)
    except TooLargeError as error:
        raise TooManyPixelsError(path, error) from error
    except cv2.error as error:
        reason = explain_opencv(error)
        if "CV_IO_MAX_IMAGE" in reason:
            raise TooManyPixelsError(path, reason) from error
        raise InputError(f"{path}: cannot be decoded ({reason}); convert it to PNG") from error
    except DamageError as error:
        raise InputError(f"{path}: is damaged ({error}); copy it again") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}; save it as RGB") from error
    if pixels is None and header and header.bits != 8:
        raise InputError(
            f"{path}: is a {header.bits}-bit JPEG image, and only 8 bits can be read; convert it to PNG"
        )
    if pixels is None:
        raise InputError(f"{path}: {explain_unread(data)}")
    return pixels


def decode_other(data: bytes, kind: str | None) -> np.ndarray | None:
    """Decodes what OpenCV decodes right, except that some AVIF, PNG and WebP are not turned."""
    orientation = read_prefixed(data)
    flags = ANY if orientation == 1 else ANY | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        return None
    return turn_avif(pixels, data) if kind == "AVIF" else turn(pixels, orientation)


def explain_opencv(error: cv2.error) -> str:
    """What OpenCV says went wrong, without its own file, line and function.

    Not `error.err`: OpenCV sets that on the class, so it is of the last error in any thread.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    match = re.search(r"error: \([^)]*\) (.*?)(?: in function .*)?$", lines[0])
    return (match[1] if match else "") or lines[-1]


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Squashes an image to a square by the contract's "area" rule.

    Args:
        image: (H, W, 3) uint8.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = min(image.shape[0], size), min(image.shape[1], size)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # INTER_AREA enlarges by repeating pixels, so sides that grow do so in a second step.
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Squashes a mask to a square: lesion where at least half of the covered pixels are lesion.

    Args:
        mask: (H, W) bool.
        size: side of the result in pixels.

    Returns:
        (size, size) uint8, 0 or 1.
    """
    return (resize(mask.astype(np.uint8) * 255, size) >= 128).astype(np.uint8)
