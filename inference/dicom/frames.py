"""The frame of a DICOM image as an image file: its own JPEG, or a PNM of its pixels.

What the header says of the frame is compared with the frame before anything is decoded.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import Any, NamedTuple

import cv2
import numpy as np
from pydicom import Dataset
from pydicom.encaps import get_frame, parse_basic_offsets
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from inference.dicom.objects import name_uid
from inference.errors import DamageError, DicomError
from inference.images.codecs import jpeg
from inference.images.codecs.depth import invert

NATIVE = frozenset((ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian))
JPEG = frozenset((JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1))
J2K = frozenset((JPEG2000, JPEG2000Lossless))
TAKEN = NATIVE | JPEG | J2K | {RLELossless}
COLOURS = {  # photometric interpretation -> samples of a pixel
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
HALF = "YBR_FULL_422"  # has each pair of pixels share its two colour samples
REQUIRED = "Rows Columns SamplesPerPixel BitsAllocated BitsStored PhotometricInterpretation".split()
FRAME_KEYWORDS = (
    *REQUIRED,
    *"HighBit PixelRepresentation PlanarConfiguration NumberOfFrames PixelData".split(),
)
PALETTE_KEYWORDS = [
    f"{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for part in ("Descriptor", "Data")
]
JFIF, ADOBE = b"\xff\xe0\x00\x10JFIF", b"\xff\xee\x00\x0eAdobe"  # segments that tell of colours
ADOBE_RGB = ADOBE + b"\x00\x64" + bytes(5)  # that they are not transformed
PRIVATE = frozenset((*range(0xE0, 0xF0), 0xFE))  # markers of application data and comments
LYING = "its header and its pixels disagree"


class Layout(NamedTuple):
    """What a header says of its frame."""

    rows: int
    columns: int
    samples: int
    bits: int  # of a sample that are used
    allocated: int
    colours: str
    syntax: UID

    @property
    def bytes(self) -> int:
        """Of the pixels, uncompressed."""
        pixels = self.rows * self.columns
        samples = 2 * pixels if self.colours == HALF else self.samples * pixels
        return samples * self.allocated // 8


def read_layout(image: Dataset) -> Layout:
    """Reads the header.

    Raises:
        DicomError: the frame is of a kind that is not taken, or there is not one frame.
        DamageError: something is missing.
    """
    if (frames := int(image.get("NumberOfFrames") or 1)) != 1:
        raise DicomError(
            f"is a DICOM file with {frames} frames; save the one that shows the lesion as a separate file"
        )
    syntax = UID(image.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))
    if syntax not in TAKEN:
        raise DicomError(
            f"is a DICOM file in {name_uid(syntax)}, which is not supported; "
            "convert it with gdcmconv --raw"
        )
    if lacking := [keyword for keyword in REQUIRED if image.get(keyword) is None]:
        raise DamageError(f"its header has no {lacking[0]}")
    colours = str(image.PhotometricInterpretation)
    if colours not in COLOURS:
        raise DicomError("is a DICOM file with an unsupported colour space; convert it to RGB")
    layout = Layout(
        int(image.Rows),
        int(image.Columns),
        int(image.SamplesPerPixel),
        int(image.BitsStored),
        int(image.BitsAllocated),
        colours,
        syntax,
    )
    fits = layout.allocated in (8, 16) and 1 <= layout.bits <= layout.allocated
    ends = int(image.get("HighBit", layout.bits - 1)) == layout.bits - 1
    if not (fits and ends and layout.samples == COLOURS[colours] and layout.rows * layout.columns):
        raise DicomError(f"is a damaged DICOM file ({LYING}); copy it again")
    return layout


def extract(image: Dataset, layout: Layout) -> bytes:
    """The bytes of an image file that holds the frame, with as many bits as are used.

    Raises:
        DamageError: the frame is not what the header says.
    """
    if not image.get("PixelData"):
        raise DamageError("it has no pixels")
    if layout.syntax in NATIVE:
        if len(image.PixelData) - layout.bytes not in (0, layout.bytes % 2):
            raise DamageError(LYING)
        if layout.samples > 1 and "PlanarConfiguration" not in image:
            raise DamageError("its header has no PlanarConfiguration")
    else:
        if len(parse_basic_offsets(image.PixelData)) > 1:
            raise DamageError(LYING)
        frame = get_frame(image.PixelData, 0, number_of_frames=1)
        if layout.syntax in JPEG:
            return extract_jpeg(frame, layout)
        if layout.syntax in J2K:
            require_j2k(frame, layout)
        else:
            require_rle(frame, layout)
        image.PlanarConfiguration = (
            0  # pydicom asks for it, but a compressed frame has its own order
        )
    pixels = pixel_array(image)
    if layout.colours == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, image)
    return write_pnm(invert(pixels) if layout.colours == "MONOCHROME1" else pixels)


def extract_jpeg(frame: bytes, layout: Layout) -> bytes:
    """A JPEG frame as a JPEG file that stands for itself: DICOM's geometry, DICOM's colours.

    Its EXIF data goes: DICOM does not turn frames by it, and it may name the patient, as may comments,
    thumbnails, and what telephones append to a photograph.
    """
    header = jpeg.read_header(frame)
    if not header:
        raise DamageError("its frame is not a JPEG")
    if (header.height, header.width, header.channels, header.bits) != (
        layout.rows,
        layout.columns,
        layout.samples,
        layout.bits,
    ):
        raise DamageError(LYING)
    kept, colours_told = bytearray(jpeg.START), False
    head = (each for each in jpeg.walk_segments(frame) if each[1] < header.scan)
    for marker, at, size in chain(head, jpeg.walk_scans(frame, header.scan)):
        tells_colours = frame.startswith((JFIF, ADOBE), at)
        colours_told |= tells_colours
        if marker not in PRIVATE or tells_colours:
            kept += frame[at : at + size]
    if layout.colours == "RGB" and not colours_told:
        kept[2:2] = ADOBE_RGB  # else decoders take three channels for YCbCr
    whole = bytes(kept)
    if layout.colours != "MONOCHROME1":
        return whole
    found = jpeg.read_header(whole)
    pixels = jpeg.decode_jpeg(whole, found, 1) if found else None
    if pixels is None:
        raise DamageError("its frame cannot be decoded")
    return write_pnm(invert(pixels))


def require_j2k(frame: bytes, layout: Layout) -> None:
    """Compares a JPEG 2000 codestream's SIZ segment (ISO/IEC 15444-1, A.5.1) with the header."""
    if frame[:4] != b"\xff\x4f\xff\x51" or len(frame) < 43:
        raise DamageError("its frame is not a JPEG 2000 codestream")
    right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
    (samples,) = struct.unpack_from(">H", frame, 40)
    if (bottom - top, right - left, samples) != (layout.rows, layout.columns, layout.samples):
        raise DamageError(LYING)
    # Of each sample its bits less one, and how far its columns and rows are apart.
    for bits, *steps in struct.iter_unpack("3B", frame[42 : 42 + 3 * samples].ljust(3 * samples)):
        if steps != [1, 1] or (bits & 0x7F) >= layout.allocated:
            raise DamageError(LYING)


def require_rle(frame: bytes, layout: Layout) -> None:
    """Adds up the run lengths of a frame (PS3.5, annex G), which can unpack to 64 times its length."""
    count, *offsets = struct.unpack_from("<16L", frame)
    ends = [*offsets[1:count], len(frame)]
    for start, end in zip(offsets[:count], ends):
        if count_unpacked(frame[start:end]) - layout.rows * layout.columns not in (0, 1):
            raise DamageError(LYING)


def count_unpacked(segment: bytes) -> int:
    """How many bytes a segment of run lengths unpacks to."""
    at = total = 0
    while at < len(segment):
        head = segment[at]
        if head > 128:  # the next byte, repeated
            total += 257 - head
            at += 2
        else:  # the next bytes as they are; 128 stands for nothing
            length = head + 1 if head < 128 else 0
            total += min(length, len(segment) - at - 1)
            at += 1 + length
    return total


def write_pnm(pixels: np.ndarray) -> bytes:
    """Pixels, (H, W) or (H, W, 3) RGB, as a PGM or PPM file, which holds up to 16 bits without loss.

    Raises:
        DamageError: they have levels below 0.
    """
    if pixels.dtype.kind == "i" and pixels.min() < 0:
        raise DamageError("it has levels below 0")
    kind = np.uint8 if pixels.dtype.itemsize == 1 else np.uint16
    levels: np.ndarray[Any, np.dtype[np.integer]] = pixels.astype(kind)
    if levels.ndim == 2:
        return cv2.imencode(".pgm", levels)[1].tobytes()
    return cv2.imencode(".ppm", cv2.cvtColor(levels, cv2.COLOR_RGB2BGR))[1].tobytes()
