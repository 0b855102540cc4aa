"""Zip archives of any system: their names are read, and no more bytes than allowed are unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.uploads import find_uploads
from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.images import archives
from inference.images.archives import list_members
from inference.images.folders import PassedOver
from inference.images.formats import OUTSIDE
from inference.images.pixels import read_image
from inference.images.write import write_image
from inference.segment import segment
from training.synthetic.lesion import make_lesion

PICTURE = make_lesion(np.random.default_rng(8), 48, 64)[0]


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    write_image(tmp_path / "picture.png", PICTURE)
    return (tmp_path / "picture.png").read_bytes()


def pack(path: Path, members: Sequence[tuple[bytes, bytes]], flags: int = 0) -> Path:
    """A zip archive whose names are these bytes, deflated."""
    body, index = b"", b""
    for name, content in members:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(content) + packer.flush()
        sizes = struct.pack("<III", zlib.crc32(content), len(packed), len(content))
        head = struct.pack("<HHHHH", 20, flags, 8, 0, 0) + sizes + struct.pack("<HH", len(name), 0)
        index += b"PK\1\2\x14\0" + head + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + head + name + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(index), len(body), 0)
    path.write_bytes(body + index + b"PK\5\6" + end)
    return path


NAMES = {
    "plain": (b"photos/a.png", "photos/a.png"),
    "GBK": ("病变/左臂.png".encode("gbk"), "病变/左臂.png"),
    "GBK beyond GB 2312": ("镕喆.png".encode("gbk"), "镕喆.png"),
    "Shift JIS": ("ほくろ写真.png".encode("cp932"), "ほくろ写真.png"),
    "UTF-8 that is not said to be": ("läsion 病变.png".encode(), "läsion 病变.png"),
    "code page 437": ("lésion ü.png".encode("cp437"), "lésion ü.png"),
    "backslashes": (rb"photos\left\a.png", "photos/left/a.png"),
    "control characters": (b"a\r\n\x1b[31mb.png", "a___[31mb.png"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names(kind: str, png: bytes, tmp_path: Path) -> None:
    raw, expected = NAMES[kind]
    ((member, relative),) = list_members(pack(tmp_path / "a.zip", [(raw, png)]))
    assert relative.as_posix() == member.name == expected
    assert np.array_equal(read_image(member), PICTURE)


# Nothing says which of these code pages a name is in, and most names are valid in several.
OTHER_PAGES = {
    "big5": "左手臂痣.png",
    "euc_kr": "병변 사진.png",
    "euc_jp": "ほくろ写真.png",
    "koi8_r": "родинка.png",
    "cp866": "родинка.png",
    "cp1251": "родинка.png",
    "cp1256": "شامة.png",
}


def test_names_of_other_code_pages_are_wrong_but_never_lost(png: bytes, tmp_path: Path) -> None:
    raw = [name.encode(page) for page, name in OTHER_PAGES.items()]
    noise = np.random.default_rng(0).integers(128, 256, (50, 9), np.uint8)
    raw += [row.tobytes() + b".png" for row in noise]
    path = pack(tmp_path / "a.zip", [(name, png) for name in raw])
    found = list(list_members(path))
    assert len(found) == len(raw) and found == list(list_members(path))
    assert all(member.read_bytes() == png for member, _ in found)
    names = {relative.as_posix() for _, relative in found}
    assert len(names) == len(raw)
    for name in names:
        assert name.encode("utf-8").decode() == name and name.endswith(".png")


@pytest.mark.parametrize(
    "name",
    [
        b"../x.png",
        b"..\\x.png",
        b"/tmp/x.png",
        b"C:\\x.png",
        b"\\\\host\\share\\x.png",
        b"a/..\\../x.png",
    ],
)
def test_a_name_that_leads_out_is_passed_over_alone(
    name: bytes, png: bytes, tmp_path: Path
) -> None:
    path, passed = pack(tmp_path / "a.zip", [(name, png), (b"a.png", png)]), list[PassedOver]()
    assert [relative.as_posix() for _, relative in list_members(path, passed)] == ["a.png"]
    assert [each.kind for each in passed] == [OUTSIDE]
    assert passed[0].error.endswith("leads out of the archive; pack it again")
    sources, failures = find_uploads([path])
    assert len(sources) == 1
    assert [str(tmp_path) in failure.image + failure.error for failure in failures] == [False]
    with pytest.raises(InputError, match=r"holds no image; .* leads out of the archive"):
        list(list_members(pack(tmp_path / "b.zip", [(name, png)])))


def test_a_run_does_the_others_and_writes_nothing_outside(
    png: bytes, model: Path, tmp_path: Path
) -> None:
    path, output = tmp_path / "a.zip", tmp_path / "work" / "masks"
    pack(path, [(b"../../evil.png", png), (b"photos/a.png", png)])
    assert segment([str(path)], SegmentOptions(model, output)) == 0
    assert "leads out of the archive" in (output / "errors.csv").read_text()
    written = sorted(path.name for path in tmp_path.rglob("*.png"))
    assert written == ["a_segmentation.png", "picture.png"]


def test_members_of_one_name_are_all_read(png: bytes, tmp_path: Path) -> None:
    write_image(tmp_path / "other.png", 255 - PICTURE)
    other = (tmp_path / "other.png").read_bytes()
    path = pack(tmp_path / "a.zip", [(b"a.png", png), (b"a.png", other)])
    (first, _), (second, _) = list_members(path)
    assert np.array_equal(read_image(first), PICTURE)
    assert np.array_equal(read_image(second), 255 - PICTURE)
    assert str(second) == f"{path}/a.png (2)" and first != second


def test_a_size_that_lies_unpacks_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, content = tmp_path / "a.zip", bytes(2**27)
    pack(path, [(b"a.png", content)])
    lie = path.read_bytes().replace(struct.pack("<I", len(content)), struct.pack("<I", 1000))
    for limit, data in ((2**20, path.read_bytes()), (2**28, lie)):
        path.write_bytes(data)
        monkeypatch.setattr(archives, "MAX_BYTES", limit)
        ((member, _),) = list_members(path)
        tracemalloc.start()
        with pytest.raises(InputError, match="unpack"):
            member.read_bytes()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**23


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_methods(packing: int, png: bytes, tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("a.png", png)
    (tmp_path / "a.zip").write_bytes(file.getvalue())
    ((member, _),) = list_members(tmp_path / "a.zip")
    assert member.read_bytes() == png
