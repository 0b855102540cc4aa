from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference import files as atomic_files
from inference.errors import InputError
from inference.files import MACHINE
from inference.images.pixels import read_mask, resize_mask
from inference.images.write import write_image
from inference.masks.png import write_mask
from training.data import cache
from training.data.cache import Split, open_split, remark_on_inversion
from training.prepare import prepare


@pytest.fixture
def data(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up data set without a cache, and a home of its user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "data"
    shutil.copytree(dataset, folder, ignore=shutil.ignore_patterns("cache"))
    return folder


def forbid(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, code: int) -> None:
    """Makes os.NAME and Path.NAME fail below a folder as on a disk that must not be written."""

    def fail(real: Callable[..., object]) -> Callable[..., object]:
        def refuse(path: Path, *rest: object, **options: object) -> object:
            if Path(path).is_relative_to(folder):
                raise OSError(code, os.strerror(code), str(path))
            return real(path, *rest, **options)

        return refuse

    for owner in (
        os,
        Path,
    ):  # pathlib of Python 3.10 keeps functions of os from when it was imported
        monkeypatch.setattr(owner, name, fail(getattr(owner, name)))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["mkdir", "replace"])
def test_a_data_set_that_cannot_be_written_is_cached_at_home(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: str,
    code: int,
) -> None:
    forbid(monkeypatch, call, data, code)
    first = open_split(data, "train", 16)
    assert Path(first.images.filename or "").is_relative_to(tmp_path / "home")  # type: ignore[attr-defined]
    assert capsys.readouterr().err.count("cannot be written; its train images are cached in") == 1
    monkeypatch.setattr(cache, "write_arrays", None)  # once is enough
    again = open_split(data, "train", 16)
    assert again.names == first.names and np.array_equal(again.images, first.images)
    assert capsys.readouterr().err == ""


def test_without_any_folder_for_caches_the_cure_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "mkdir", tmp_path, errno.EROFS)
    with pytest.raises(InputError, match=r"set the environment variable XDG_CACHE_HOME"):
        open_split(data, "train", 16)


def test_a_full_disk_is_no_read_only_disk(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, "replace", data, errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        open_split(data, "train", 16)
    assert not list((data / "cache").iterdir())


def test_a_finished_cache_on_a_read_only_disk_is_used(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_split(data, "valid", 16)
    for call in ("mkdir", "replace", "unlink"):
        forbid(monkeypatch, call, data, errno.EROFS)
    assert len(open_split(data, "valid", 16)) == 5
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("array", ["images", "masks"])
def test_a_flipped_bit_is_seen(data: Path, capsys: pytest.CaptureFixture[str], array: str) -> None:
    whole = np.array(getattr(open_split(data, "train", 16), array))
    path = data / "cache" / f"train-16-{array}.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert np.array_equal(getattr(open_split(data, "train", 16), array), whole)
    assert "train-16 is damaged; making it again" in capsys.readouterr().err
    open_split(data, "train", 16)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("record", ["", "[]", "{}", "null", '{"files": []}', '{"files": {}}'])
def test_a_spoilt_record_costs_only_time(data: Path, record: str) -> None:
    whole = np.array(open_split(data, "valid", 16).images)
    (data / "cache" / "valid-16.json").write_text(record)
    assert np.array_equal(open_split(data, "valid", 16).images, whole)


def test_files_that_another_machine_is_writing_stay(data: Path) -> None:
    folder = data / "cache"
    folder.mkdir()
    theirs = folder / ".train-16-images.0badcafe-17.partial.npy"
    alive = folder / f".train-16-images.{MACHINE}-{os.getppid()}.partial.npy"
    dead = folder / f".train-16-images.{MACHINE}-9999999.partial.npy"
    for path in (theirs, alive, dead):
        path.write_bytes(b"half")
    open_split(data, "train", 16)
    assert theirs.read_bytes() == alive.read_bytes() == b"half"
    assert not dead.exists()


def test_two_machines_make_one_cache_at_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sees the other's lock; the second begins and ends while the first is at work."""
    load = cache.load_pair
    begun: list[Path] = []

    def interrupted(pair: cache.Pair, size: int) -> tuple[np.ndarray, np.ndarray]:
        if not begun:
            begun.append(pair.image)
            with monkeypatch.context() as other:
                other.setattr(atomic_files, "MACHINE", "0badcafe")
                assert len(open_split(data, "train", 16, workers=1)) == 12
        return load(pair, size)

    monkeypatch.setattr(cache, "load_pair", interrupted)
    monkeypatch.setattr(cache.fcntl, "flock", lambda *_: None)
    split = open_split(data, "train", 16, workers=1)
    assert len(split) == 12 and split.masks.any()
    names = {path.name for path in (data / "cache").iterdir()}
    assert names == {"train-16-images.npy", "train-16-masks.npy", "train-16.json"}


def test_nothing_is_renamed_before_it_is_on_the_disk(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: set[int] = set()
    fsync, replace = os.fsync, os.replace

    def note(descriptor: int) -> None:
        synchronised.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def check(source: Path, target: Path) -> None:
        assert os.stat(source).st_ino in synchronised, target
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "replace", check)
    open_split(data, "valid", 16)


def test_a_changed_file_is_cached_anew(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    before = open_split(data, "test", 32)
    kept = np.array(before.masks)
    path = data / "test_GT" / f"{before.names[2]}_segmentation.png"
    write_mask(path, ~read_mask(path))
    after = open_split(data, "test", 32)
    assert np.array_equal(after.images, before.images)
    assert np.array_equal(after.masks[2], resize_mask(read_mask(path), 32))
    assert (after.masks[2] != kept[2]).any() and np.array_equal(after.masks[:2], kept[:2])


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_a_damaged_cache_is_made_anew(copy: Path, tmp_path: Path, damage: bytes) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    masks = np.array(open_split(data, "test", 32).masks)
    (data / "cache" / "test-32-masks.npy").write_bytes(damage)
    assert np.array_equal(open_split(data, "test", 32).masks, masks)


def test_masks_of_a_hand_made_data_set_are_checked(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    name = open_split(data, "test", 32).names[0]
    write_image(data / "test_GT" / f"{name}_segmentation.png", np.full((96, 128), 7, np.uint8))
    with pytest.raises(InputError, match="mask has the value 7"):
        open_split(data, "test", 32)


def test_inverted_masks_are_noticed() -> None:
    masks = np.zeros((5, 12, 12), np.uint8)
    masks[:, 3:9, 4:9] = 1
    masks[0] = 1  # a lesion that fills the frame

    def remark(given: np.ndarray) -> list[str]:
        return remark_on_inversion([Split([*"abcde"], np.zeros((5, 12, 12, 3), np.uint8), given)])

    assert remark(masks) == []
    (line,) = remark(1 - masks)
    assert line.startswith("4 of 5 masks are lesion along the border") and "inverted" in line
