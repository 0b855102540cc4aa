"""Damage inside a JPEG is found; whole ones of every kind decode, to the pixels of OpenCV."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.errors import InputError
from inference.images.codecs import jpeg
from inference.images.codecs.jpeg import decode_jpeg, read_header
from inference.images.pixels import read_image, read_resized
from training.synthetic.lesion import make_lesion

KINDS: dict[str, dict[str, object]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_rows": 1},
    "progressive, restart markers": {"progressive": True, "restart_marker_rows": 1},
    "full colour": {"subsampling": 0},
}
needs_simplejpeg = pytest.mark.skipif(
    not jpeg.CHECKS_DAMAGE, reason="simplejpeg is not installed (the extra jpeg)"
)

# make_lesion(np.random.default_rng(5), 16, 24), by cjpeg -quality 85 -arithmetic, and its green channel
# by a libjpeg of 12 bits: what Pillow, OpenCV and simplejpeg do not write.
ARITHMETIC = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00jdC1Ox*G1Ox;H1qB8N3<w7Y2L}%e3keJn4-yg)4-pX)791B76dDx~5f~"
    "vD8XX-UA0HDJA|xUnBpe<e9{<|_LjeT^1qTKP4hRSi9uyH29v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9"
    "v&VZ9v&VZ9v&VZ9v&VZ9v=V601*fP5C9kh0U`hb5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#0H6LYK+6n"
    "6ZBa5PG~+}60BDuV0U&ALFSUW$C2OYR;n~0U-+N|)l~>vRBmmcOO;bxkIRoF<@}8NCv3gYI<O0ks2IB#z+aCHTT7"
    "17Z7=U^?hTLr<_7@WK@Hn`{!75_GkpI~"
)
TWELVE_BITS = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00jdC1Ox*G1Ox;H1qB8N3<w7Y2L}%e3keJn4-yg)4-pX)791B76dDx~5f~"
    "vD8XX-UA0HDJA|xUnBpe<e9{<4r3k(1d02l!Q5di<h02crO00RI30000000000000092nq}T!~iJ}009C90ssUD0"
    "0000000000RjUA1qKHQ5daAaA~8V{6BZ#dae@EZ00;pA002J#%hw~aBFtk%(v79={mO!u#7^9G4$Mdav^0`D>ptI"
    "et{->jx0>@0bDE>3@!J~fE2UA+r0JO=drG)nN~G%mDfFjDdPdJAH&}g&;N@Fu?$!LDDhZW4bmvixxiU>i2>9a?bm"
    "9UN?g=3NxSjXy)V3q`Uyqi$(&N3kscluvhYN>hq>X#$H8Y4>wuF>}_=B!g*SqeRd%)=<B&j9co5vCLbk>+KbX;tm"
    "^tgwlZ=|IyEFVLq4=)wp3#Ko%gV@Z~caj#8o4fNWmBmfw61mJPZzT(e^OANwc6a^f|Je"
)


def encode(mode: str = "RGB", **options: object) -> bytes:
    image = Image.fromarray(make_lesion(np.random.default_rng(5), 480, 640)[0]).convert(mode)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)  # type: ignore[arg-type]
    return file.getvalue()


def zero(data: bytes, begin: float, end: float) -> bytes:
    """The file with zeros between two places, as shares of its scans."""
    first = data.index(jpeg.SCAN) + 20
    at, to = (first + int(share * (len(data) - first - 20)) for share in (begin, end))
    return data[:at] + bytes(to - at) + data[to:]


DAMAGE = {
    "cut, with an end": lambda data: data[: len(data) // 2] + jpeg.END,
    "cut near the end": lambda data: data[: len(data) * 96 // 100] + jpeg.END,
    "zeros in the middle": lambda data: zero(data, 0.4, 0.6),
    "zeros up to the end": lambda data: zero(data, 0.5, 1),
    "lost bytes": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 1000 :],
    "foreign bytes": lambda data: (
        data[: len(data) // 2] + b"\xff" * 512 + data[len(data) // 2 + 512 :]
    ),
}


@needs_simplejpeg
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(kind: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(DAMAGE[damage](encode(**KINDS[kind])))
    for read in (lambda: read_image(path), lambda: read_resized(path, 32)):
        with pytest.raises(InputError, match=r"photo\.jpg: is damaged .*copy it again"):
            read()


WHOLE = {
    "as it is": lambda data: data,
    "trailing bytes": lambda data: data + bytes(range(256)),
    "padding before the end": lambda data: data[:-2] + bytes(40) + jpeg.END,
    "unknown version of JFIF": lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\7"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", WHOLE)
def test_whole_files_decode(kind: str, change: str, tmp_path: Path) -> None:
    data, path = encode(**KINDS[kind]), tmp_path / "photo.jpg"
    path.write_bytes(WHOLE[change](data))
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read_image(path), expected)


@needs_simplejpeg
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("blocks", [4, 50])
def test_zeros_in_place_of_restart_markers(
    blocks: int, options: dict[str, object], mode: str, tmp_path: Path
) -> None:
    data = encode(mode, restart_marker_blocks=blocks, **options)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data[:-2] + bytes(40) + jpeg.END)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read_image(path), expected)
    last = data.rindex(jpeg.SCAN) + 20
    for share in (0.3, 0.8, 0.97):
        at = last + int(share * (len(data) - last))
        path.write_bytes(data[:at] + bytes(len(data) - at - 2) + jpeg.END)
        with pytest.raises(InputError, match="is damaged"):
            read_image(path)


@needs_simplejpeg
def test_only_the_end_marker_is_missing(tmp_path: Path) -> None:
    data, path = encode(), tmp_path / "photo.jpg"
    path.write_bytes(data[:-2])
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read_image(path), expected)
    path.write_bytes(encode(progressive=True)[:-2])  # a scan may be missing
    with pytest.raises(InputError, match="ends in the middle"):
        read_image(path)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_pixels_are_opencvs(mode: str, scale: int) -> None:
    data = encode(mode)
    header = read_header(data)
    assert header and header.channels == {"RGB": 3, "L": 1, "CMYK": 4}[mode]
    found = decode_jpeg(data, header, scale)
    flags = jpeg.REDUCED.get(scale, cv2.IMREAD_COLOR)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert found is not None and expected is not None
    assert np.array_equal(found, expected[..., 0] if mode == "L" else expected)


@needs_simplejpeg
def test_damage_in_cmyk_is_found(tmp_path: Path) -> None:
    data, path = encode("CMYK"), tmp_path / "photo.jpg"
    path.write_bytes(data[: len(data) // 2] + jpeg.END)
    with pytest.raises(InputError, match="is damaged"):
        read_image(path)


def test_a_file_of_several_pictures(tmp_path: Path) -> None:
    path, first = tmp_path / "photo.mpo", Image.open(io.BytesIO(encode()))
    first.save(path, "MPO", save_all=True, append_images=[Image.new("RGB", first.size)])
    assert np.abs(read_image(path).astype(int) - np.asarray(first)).mean() < 3


def test_without_simplejpeg_opencv_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[274] = 6
    path.write_bytes(encode(exif=exif))
    expected = read_image(path), read_resized(path, 16)
    monkeypatch.setattr(jpeg, "CHECKS_DAMAGE", False)
    assert np.array_equal(read_image(path), expected[0])
    assert np.array_equal(read_resized(path, 16).pixels, expected[1].pixels)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="ends in the middle"):
        read_image(path)


def test_arithmetic_coding(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(ARITHMETIC)
    expected = make_lesion(np.random.default_rng(5), 16, 24)[0]
    assert np.abs(read_image(path).astype(int) - expected).mean() < 6
    for length in (2, 30, len(ARITHMETIC) // 4):
        path.write_bytes(ARITHMETIC[:-length])
        with pytest.raises(InputError, match="ends in the middle"):
            read_image(path)


def test_12_bits_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(TWELVE_BITS)
    with pytest.raises(InputError, match=r"is a 12-bit JPEG image, and only 8 bits can be read"):
        read_image(path)
