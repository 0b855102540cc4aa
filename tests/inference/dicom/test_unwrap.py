"""Photographs in DICOM: the right pixels, or the reason why not; never garbage, never a name."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from inference.errors import InputError
from inference.images.pixels import (
    TooManyPixelsError,
    extract_image,
    read_image,
    read_resized,
)
from tests.inference.dicom.dicom_files import (
    KINDS,
    SECRETS,
    encode_jpeg,
    make_header,
    paint,
    write,
    write_compressed,
    write_jpeg,
    write_native,
)

IMAGE, MASK = paint()
HEIGHT, WIDTH = IMAGE.shape[:2]


def refuse(path: Path) -> str:
    """Why a file is not read: one line that names the file and quotes nothing of it."""
    with pytest.raises(InputError) as caught:
        read_image(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and "\n" not in said, said
    assert not [secret for secret in SECRETS if secret in said], said
    assert caught.value.__context__ is None or not [
        secret for secret in SECRETS if secret in str(caught.value.__context__)
    ]
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name: str, tmp_path: Path) -> None:
    writer, error = KINDS[name]
    found = read_image(writer(tmp_path / "image", IMAGE))
    assert found.shape == IMAGE.shape
    assert np.abs(found.astype(int) - IMAGE).mean() <= error


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_orders_of_bytes(syntax: UID, tmp_path: Path) -> None:
    header = make_header("capture", HEIGHT, WIDTH)
    header.file_meta.TransferSyntaxUID = syntax
    big = syntax == ExplicitVRBigEndian
    header.PixelData = IMAGE.tobytes()
    header["PixelData"].VR = "OW" if not big else "OB"
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    pydicom.dcmwrite(tmp_path / "x.dcm", header, enforce_file_format=True)
    assert np.array_equal(read_image(tmp_path / "x.dcm"), IMAGE)


def test_half_the_colours(tmp_path: Path) -> None:
    """YBR_FULL_422: two pixels share their colours."""
    flat = np.full((8, 12, 3), (200, 120, 90), np.uint8)
    ybr = cv2.cvtColor(flat, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    pairs = ybr.reshape(8, 6, 2, 3)
    packed = np.stack([pairs[..., 0, 0], pairs[..., 1, 0], pairs[..., 0, 1], pairs[..., 0, 2]], -1)
    header = make_header("capture", 8, 12, PhotometricInterpretation="YBR_FULL_422")
    path = write(tmp_path / "x.dcm", header, packed.tobytes())
    assert np.abs(read_image(path).astype(int) - flat).max() <= 2


def test_a_jpeg_is_decoded_as_any_jpeg(tmp_path: Path) -> None:
    large, _ = paint(5, 600, 900)
    jpeg = encode_jpeg(large)
    (tmp_path / "x.jpg").write_bytes(jpeg)
    path = write_jpeg(tmp_path / "x.dcm", jpeg, 600, 900)
    assert np.array_equal(read_image(path), read_image(tmp_path / "x.jpg"))
    reduced, plain = read_resized(path, 64), read_resized(tmp_path / "x.jpg", 64)
    assert np.array_equal(reduced.pixels, plain.pixels) and reduced[1:3] == (600, 900)


def exif(orientation: int) -> bytes:
    tags = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 274, 3, 1, orientation, 0) + bytes(4)
    body = b"Exif\0\0" + tags
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def test_orientation_inside_a_frame_is_ignored(tmp_path: Path) -> None:
    jpeg = encode_jpeg(IMAGE)
    turned = jpeg[:2] + exif(6) + jpeg[2:]
    (tmp_path / "x.jpg").write_bytes(turned)
    assert read_image(tmp_path / "x.jpg").shape == (WIDTH, HEIGHT, 3)
    found = read_image(write_jpeg(tmp_path / "x.dcm", turned, HEIGHT, WIDTH))
    assert np.array_equal(found, read_image(write_jpeg(tmp_path / "y.dcm", jpeg, HEIGHT, WIDTH)))


def without_markers(jpeg: bytes) -> bytes:
    """A JPEG without JFIF's segment: DICOM says what its colours are."""
    assert jpeg[2:4] == b"\xff\xe0"
    return jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]


def test_the_header_says_which_colours_a_bare_jpeg_has(tmp_path: Path) -> None:
    bare = without_markers(encode_jpeg(IMAGE))
    found = read_image(write_jpeg(tmp_path / "x.dcm", bare, HEIGHT, WIDTH))
    assert np.abs(found.astype(int) - IMAGE).mean() < 4
    # Encoded as if it were YCbCr's inverse, so that the three channels in the file are RGB.
    rgb = cv2.cvtColor(IMAGE[..., [0, 2, 1]], cv2.COLOR_YCrCb2RGB)
    stored = without_markers(encode_jpeg(rgb, 100))
    path = write_jpeg(tmp_path / "y.dcm", stored, HEIGHT, WIDTH, PhotometricInterpretation="RGB")
    as_is = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    assert np.abs(read_image(path).astype(int) - as_is).mean() < 4
    # JFIF's are YCbCr, whatever the header says.
    jfif = write_jpeg(
        tmp_path / "z.dcm", encode_jpeg(IMAGE), HEIGHT, WIDTH, PhotometricInterpretation="RGB"
    )
    assert np.abs(read_image(jfif).astype(int) - IMAGE).mean() < 4


@pytest.mark.parametrize(("colours", "inverted"), [("MONOCHROME1", True), ("MONOCHROME2", False)])
def test_grey(colours: str, inverted: bool, tmp_path: Path) -> None:
    grey = IMAGE[..., 1].copy()
    expected = 255 - grey if inverted else grey
    changes: dict[str, Any] = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": colours,
        "PlanarConfiguration": None,
    }
    path = write(
        tmp_path / "8.dcm", make_header("capture", HEIGHT, WIDTH, **changes), grey.tobytes()
    )
    assert np.array_equal(read_image(path)[..., 0], expected)
    jpeg = write_jpeg(tmp_path / "j.dcm", encode_jpeg(grey), HEIGHT, WIDTH, "capture", **changes)
    assert np.abs(read_image(jpeg)[..., 0].astype(int) - expected).mean() < 4
    deep = {**changes, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    stored = (grey.astype(np.uint16) << 4) | 15
    path = write(
        tmp_path / "12.dcm", make_header("capture", HEIGHT, WIDTH, **deep), stored.tobytes()
    )
    assert np.abs(read_image(path)[..., 0].astype(int) - expected).max() <= 1


def test_bits_above_those_stored_are_not_pixels(tmp_path: Path) -> None:
    grey = IMAGE[..., 1].astype(np.uint16)
    header = make_header(
        "capture", HEIGHT, WIDTH, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        PlanarConfiguration=None, BitsAllocated=16, BitsStored=8, HighBit=7,
    )  # fmt: skip
    path = write(tmp_path / "x.dcm", header, (grey | 0x4000).tobytes())
    assert np.array_equal(read_image(path)[..., 0], grey)


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint16)
    header = make_header(
        "capture", HEIGHT, WIDTH, SamplesPerPixel=1, PhotometricInterpretation="PALETTE COLOR",
        PlanarConfiguration=None,
    )  # fmt: skip
    for number, colour in enumerate(("Red", "Green", "Blue")):
        setattr(header, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        entries = (table[:, number] * 257).astype("<u2").tobytes()
        setattr(header, f"{colour}PaletteColorLookupTableData", entries)
    grey = IMAGE[..., 1]
    path = write(tmp_path / "x.dcm", header, grey.tobytes())
    assert np.array_equal(read_image(path), table[grey].astype(np.uint8))
    header.pop("GreenPaletteColorLookupTableData")
    assert "damaged DICOM file" in refuse(write(tmp_path / "y.dcm", header, grey.tobytes()))


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR Storage"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation Storage"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage"),
        ("1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"),
        ("1.2.840.10008.1.3.10", "Media Storage Directory Storage"),
        ("1.2.3.4.5", "an unknown kind"),
    ],
)
def test_what_is_no_photograph_is_named(kind: str, named: str, tmp_path: Path) -> None:
    header = make_header(kind, HEIGHT, WIDTH)
    said = refuse(write(tmp_path / "x.dcm", header, IMAGE.tobytes()))
    assert said.startswith(f"is a DICOM file of {named}, not a photograph; give Dermoscopic")
    assert "pixels" not in said


def test_several_frames_are_named(tmp_path: Path) -> None:
    header = make_header("1.2.840.10008.5.1.4.1.1.7.4", HEIGHT, WIDTH, NumberOfFrames=3)
    said = refuse(write(tmp_path / "x.dcm", header, IMAGE.tobytes() * 3))
    assert said.startswith("is a DICOM file with 3 frames; save the one")
    header.NumberOfFrames = 1
    assert np.array_equal(read_image(write(tmp_path / "y.dcm", header, IMAGE.tobytes())), IMAGE)


@pytest.mark.parametrize(
    ("syntax", "named"),
    [(JPEGLSLossless, "JPEG-LS"), (UID("1.2.840.10008.1.2.4.102"), "MPEG-4")],
)
def test_what_cannot_be_decoded_is_named(syntax: UID, named: str, tmp_path: Path) -> None:
    header = make_header("capture", HEIGHT, WIDTH)
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True
    assert named in refuse(write(tmp_path / "x.dcm", header))


def test_a_huge_header_is_refused_before_decoding(tmp_path: Path) -> None:
    header = make_header("dermoscopic", 60000, 60000)
    start = time.monotonic()
    with pytest.raises(TooManyPixelsError, match="60000 x 60000 > "):
        read_image(write(tmp_path / "x.dcm", header, bytes(1000)))
    path = write_jpeg(tmp_path / "y.dcm", encode_jpeg(IMAGE), 60000, 60000)
    with pytest.raises(TooManyPixelsError):
        read_image(path)
    assert time.monotonic() - start < 20  # decoding would take gigabytes


@pytest.mark.parametrize("more", [-3000, -2, 2, 3000])
def test_a_length_that_lies_is_an_error(more: int, tmp_path: Path) -> None:
    pixels = IMAGE.tobytes()
    pixels = pixels + bytes(more) if more > 0 else pixels[:more]
    header = make_header("photographic", HEIGHT, WIDTH)
    assert "disagree" in refuse(write(tmp_path / "x.dcm", header, pixels))


@pytest.mark.parametrize("name", KINDS)
def test_every_cut_is_an_error(name: str, tmp_path: Path) -> None:
    whole = KINDS[name][0](tmp_path / "x.dcm", IMAGE).read_bytes()
    for share in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99):
        (tmp_path / "cut.dcm").write_bytes(whole[: max(140, int(share * len(whole)))])
        refuse(tmp_path / "cut.dcm")


@pytest.mark.parametrize(
    "changes",
    [
        {"Rows": HEIGHT + 8},
        {"Columns": WIDTH - 8},
        {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"},
        {"Rows": 0},
        {"Rows": None},
        {"BitsStored": 12, "BitsAllocated": 16, "HighBit": 11},
        {"HighBit": 5},
        {"BitsAllocated": 7},
        {"PhotometricInterpretation": "HSV"},
        {"SamplesPerPixel": 4},
    ],
)
def test_a_header_that_lies_is_an_error(changes: dict[str, Any], tmp_path: Path) -> None:
    for kind in ("native", "JPEG", "JPEG 2000", "RLE"):
        path = tmp_path / f"{kind}.dcm"
        if kind == "native":
            write_native(path, IMAGE)
        elif kind == "JPEG":
            write_jpeg(path, encode_jpeg(IMAGE), HEIGHT, WIDTH)
        else:
            if "BitsStored" in changes and kind == "JPEG 2000":
                continue  # the codestream tells its own bits
            syntax = RLELossless if kind == "RLE" else JPEG2000Lossless
            write_compressed(path, IMAGE, syntax)
        found = pydicom.dcmread(path)
        for keyword, value in changes.items():
            if value is None:
                delattr(found, keyword)
            else:
                setattr(found, keyword, value)
        found.save_as(path)
        refuse(path)


def test_frames_of_other_kinds_than_said(tmp_path: Path) -> None:
    header = make_header("dermoscopic", HEIGHT, WIDTH)
    for number, syntax in enumerate((JPEGBaseline8Bit, JPEG2000Lossless, RLELossless)):
        header.file_meta.TransferSyntaxUID = syntax
        for junk in (b"xx", b"junk" * 100, b"\xff\xd8\xff\xda", b"\xff\x4f\xff\x51" + bytes(60)):
            header.PixelData = encapsulate([junk + bytes(len(junk) % 2)])
            header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True
            refuse(write(tmp_path / f"{number}.dcm", header))
    header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    header.PixelData = encapsulate([encode_jpeg(IMAGE)] * 2)
    assert "disagree" in refuse(write(tmp_path / "two.dcm", header))


@pytest.mark.parametrize("kind", ["baseline", "progressive"])
def test_nothing_but_the_picture_is_taken_out_of_a_frame(kind: str, tmp_path: Path) -> None:
    """Telephones append further pictures to a photograph, with EXIF data of their own."""
    bgr = cv2.cvtColor(IMAGE, cv2.COLOR_RGB2BGR)
    flags = (cv2.IMWRITE_JPEG_PROGRESSIVE, int(kind == "progressive"))
    jpeg = cv2.imencode(".jpg", bgr, flags)[1].tobytes()
    note = b"\xff\xfe\x00\x0aOttoline"
    thumbnail = b"\xff\xe0\x00\x0fJFXX\x00Quimby??"
    last = jpeg.rfind(b"\xff\xda")  # before a scan, as between those of a progressive one
    noted = jpeg[:2] + thumbnail + note + jpeg[2:last] + note + jpeg[last:] + b"Vasquez" + jpeg
    path = write_jpeg(tmp_path / "x.dcm", noted, HEIGHT, WIDTH)
    found = extract_image(path)
    assert found == (".jpg", jpeg)
    (tmp_path / "x.jpg").write_bytes(jpeg)
    assert np.array_equal(read_image(path), read_image(tmp_path / "x.jpg"))


def test_a_codestream_of_samples_that_lie_apart(tmp_path: Path) -> None:
    whole = write_compressed(
        tmp_path / "x.dcm", IMAGE, JPEG2000Lossless, PhotometricInterpretation="RGB"
    ).read_bytes()
    first = whole.index(b"\xff\x4f\xff\x51") + 42
    for at, value in ((0, 15), (1, 2), (2, 255), (4, 0)):
        data = bytearray(whole)
        data[first + at] = value
        (tmp_path / "x.dcm").write_bytes(data)
        assert "disagree" in refuse(tmp_path / "x.dcm")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for keyword in ("Rows", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation"):
        header = make_header("dermoscopic", HEIGHT, WIDTH, **{keyword: None})
        path = write(tmp_path / "x.dcm", header)
        assert f"(its header has no {keyword}); copy it again" in refuse(path)
    path = write_native(tmp_path / "x.dcm", IMAGE, PlanarConfiguration=None)
    assert "its header has no PlanarConfiguration" in refuse(path)
    path = write(tmp_path / "x.dcm", make_header("dermoscopic", HEIGHT, WIDTH), b"")
    assert "it has no pixels" in refuse(path)


@pytest.mark.parametrize("name", ["RLE", "JPEG 2000"])
def test_a_compressed_frame_has_its_own_order_of_samples(name: str, tmp_path: Path) -> None:
    path = KINDS[name][0](tmp_path / "x.dcm", IMAGE)
    image = pydicom.dcmread(path)
    for order in (0, 1, None):
        if order is None:
            del image.PlanarConfiguration
        else:
            image.PlanarConfiguration = order
        image.save_as(path)
        assert np.array_equal(read_image(path), IMAGE)


def test_run_lengths_that_unpack_to_anything_are_refused(tmp_path: Path) -> None:
    bomb = struct.pack("<16L", 3, 64, 64, 64, *[0] * 12) + b"\x81\x00" * 2_000_000
    header = make_header("capture", 10, 10)
    header.file_meta.TransferSyntaxUID = RLELossless
    header.PixelData = encapsulate([bomb])
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True
    assert "disagree" in refuse(write(tmp_path / "x.dcm", header))


def test_a_file_that_is_deflated_is_not_unpacked(tmp_path: Path) -> None:
    header = make_header("capture", HEIGHT, WIDTH)
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.PixelData = bytes(50_000_000)
    header["PixelData"].VR = "OB"
    path = write(tmp_path / "x.dcm", header)
    assert path.stat().st_size < 100_000
    assert "deflated transfer syntax, which is not supported; convert it with dcmconv" in refuse(
        path
    )


def test_deep_sequences_are_an_error_or_passed(tmp_path: Path) -> None:
    path = write_native(tmp_path / "x.dcm", IMAGE)
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    opened = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff" + item
    whole = path.read_bytes()
    at = whole.index(b"\x10\x00\x10\x00PN")  # the sequence comes before the patient
    path.write_bytes(whole[:at] + opened * 20_000 + whole[at:])
    refuse(path)
    inner = Dataset()
    for _ in range(30):
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([inner])
        inner = outer
    header = make_header("dermoscopic", HEIGHT, WIDTH)
    header.ReferencedImageSequence = Sequence([inner])
    path = write(tmp_path / "y.dcm", header, IMAGE.tobytes())
    assert np.array_equal(read_image(path), IMAGE)


def test_names_in_any_bytes_and_private_elements(tmp_path: Path) -> None:
    header = make_header("dermoscopic", HEIGHT, WIDTH)
    block = header.private_block(0x0011, "Vasquez Devices", create=True)
    block.add_new(0x01, "PN", "Vasquez^Ottoline")
    block.add_new(0x02, "UN", b"\xff\xfe\x00Ottoline")
    path = write(tmp_path / "x.dcm", header, IMAGE.tobytes())
    data = path.read_bytes().replace(b"Vasquez^Ottoline", b"V\xe4squez^\xff\xfe\x80oline")
    path.write_bytes(data)
    assert np.array_equal(read_image(path), IMAGE)
    path.write_bytes(data.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00PN"))
    refuse(path)


def test_content_counts_not_the_suffix(tmp_path: Path) -> None:
    path = write_native(tmp_path / "photo.jpg", IMAGE)
    assert np.array_equal(read_image(path), IMAGE)
    (tmp_path / "photo.dcm").write_bytes(encode_jpeg(IMAGE))
    assert read_image(tmp_path / "photo.dcm").shape == IMAGE.shape
    (tmp_path / "text.dcm").write_bytes(b"no image")
    assert "is not an image" in refuse(tmp_path / "text.dcm")
    (tmp_path / "bare.dcm").write_bytes(bytes(128) + b"DICM")
    assert "does not say what it holds" in refuse(tmp_path / "bare.dcm")


def test_any_byte_may_be_wrong(tmp_path: Path, rng: np.random.Generator) -> None:
    """An image or an error, never a crash, and never a patient in the error."""
    for name in ("native RGB", "JPEG", "JPEG 2000", "RLE"):
        whole = KINDS[name][0](tmp_path / "x.dcm", IMAGE[20:68, 20:68].copy()).read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            for at in rng.integers(128, min(len(data), 1500), 3):
                data[at] = rng.integers(256)
            (tmp_path / "y.dcm").write_bytes(data)
            said = ""
            try:
                read_image(tmp_path / "y.dcm")
            except InputError as error:
                said = str(error)
            assert not [secret for secret in SECRETS if secret in said]
