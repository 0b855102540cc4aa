"""Killed at any moment, a run goes on where it stopped, and ends as if it had never been disturbed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.batch.job import Job
from inference.batch.journal import ResumeJournal, remove_leftovers, stamp
from inference.batch.options import SegmentOptions
from inference.batch.writer import Done, MaskRow, Writer
from inference.contract import Contract
from inference.errors import InputError
from inference.files import replacing
from inference.images.find import find_sources
from inference.lock import Lock
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter
from inference.segment import segment
from tests.contents import contents
from training.synthetic.lesion import make_lesion

KILLS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("images")
    for number in range(120):
        image, _ = make_lesion(np.random.default_rng(number % 8), 96, 128)
        Image.fromarray(np.roll(image, number, axis=1)).save(made / f"{number:03}.jpg")
    (made / "050.jpg").write_bytes(b"broken")
    return made


def test_killed_twenty_times(folder: Path, model: Path, tmp_path: Path) -> None:
    save = ("mask", "rle", "csv")
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    assert segment([str(folder)], SegmentOptions(model, undisturbed, save)) == 1

    # One process is started that forks, and the forks are killed: twenty starts would take long.
    code = f"""
import os, random, signal, time
from pathlib import Path
import inference.segment
from inference.batch.options import SegmentOptions
chance = random.Random(1)
output = Path({str(disturbed)!r})
masks = lambda: len(list(output.glob("*.png")))
for number in range({KILLS}):
    enough = masks() + chance.randrange(6)
    child = os.fork()
    if not child:
        options = SegmentOptions(Path({str(model)!r}), output, {save!r}, batch_size=1, resume=True)
        inference.segment.segment([{str(folder)!r}], options, threads=2)
        os._exit(0)
    while masks() < enough and not os.waitpid(child, os.WNOHANG)[0]:
        pass
    time.sleep(chance.uniform(0, 0.003))
    os.kill(child, signal.SIGKILL)
    # Flushed: a fork would get a copy of what waits, and may print it too.
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "finished", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert done == ["killed"] * KILLS
    assert segment([str(folder)], SegmentOptions(model, disturbed, save, resume=True)) == 1
    assert contents(disturbed) == contents(undisturbed)
    assert {path.name for path in disturbed.iterdir() if path.name[0] == "."} == {".finished.jsonl"}


def test_a_command_that_is_killed(folder: Path, model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inference.segment", str(folder), "--model", str(model)]
    command += ["--output", str(tmp_path / "masks"), "--batch-size", "1", "--resume"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list((tmp_path / "masks").glob("*.png"))) < 10:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    written = len(list((tmp_path / "masks").glob("*.png")))
    assert 10 <= written < 119 and not (tmp_path / "masks" / "masks.csv").exists()
    assert segment([str(folder)], SegmentOptions(model, tmp_path / "masks", resume=True)) == 1
    assert len((tmp_path / "masks" / "masks.csv").read_text().splitlines()) == 1 + 119


def test_what_is_finished_and_whole_stays(folder: Path, model: Path, tmp_path: Path) -> None:
    segment([str(folder)], SegmentOptions(model, tmp_path))
    first = contents(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    lost, cut, changed = (f"{i:03}_segmentation.png" for i in (3, 7, 9))
    damaged = "011_segmentation.png"
    (tmp_path / lost).unlink()
    (tmp_path / cut).write_bytes(first[cut][:40])
    (tmp_path / damaged).write_bytes(first[damaged][:50] + bytes(8) + first[damaged][58:])
    os.utime(folder / "009.jpg")
    assert segment([str(folder)], SegmentOptions(model, tmp_path, resume=True)) == 1
    assert contents(tmp_path) == first
    now = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert {name for name in now if now[name] != times[name]} == {lost, cut, changed, damaged}


def test_an_image_that_is_broken_now_has_no_mask_of_before(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    photos = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for photo in photos:
        photo.write_bytes((folder / "001.jpg").read_bytes())
    options = SegmentOptions(model, tmp_path / "masks", ("mask", "rle"))
    assert segment([str(photo) for photo in photos], options) == 0
    photos[1].write_bytes(b"broken")
    assert segment([str(photo) for photo in photos], options) == 1
    assert not list((tmp_path / "masks").glob("b*"))
    assert len(list((tmp_path / "masks").glob("a*"))) == 2


def test_more_products_are_added(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(path) for path in sorted(folder.iterdir())[:6]]
    segment(few, SegmentOptions(model, tmp_path))
    segment(few, SegmentOptions(model, tmp_path, ("mask", "csv"), resume=True))
    assert len((tmp_path / "measures.csv").read_text().splitlines()) == 7


def test_another_model_is_not_mixed_in(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(folder / "000.jpg")]
    segment(few, SegmentOptions(model, tmp_path / "masks"))
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes() + b"\0")
    with ResumeJournal(tmp_path / "masks", "", {"models": ["x"]}, resume=False):
        pass
    with pytest.raises(InputError, match="another model or other settings"):
        segment(few, SegmentOptions(model, tmp_path / "masks", resume=True))
    assert segment(few, SegmentOptions(model, tmp_path / "masks")) == 0  # begun anew


def test_a_cut_line_counts_for_nothing(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(path) for path in sorted(folder.iterdir())[:6]]
    segment(few, SegmentOptions(model, tmp_path))
    first = contents(tmp_path)
    journal = tmp_path / ".finished.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    for _ in range(2):
        assert segment(few, SegmentOptions(model, tmp_path, resume=True)) == 0
        assert contents(tmp_path) == first


def test_a_member_of_a_replaced_archive_is_done_again(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    archive, output = tmp_path / "images.zip", tmp_path / "masks"
    masks = []
    for number in ("000", "003"):
        with zipfile.ZipFile(archive, "w") as file:
            file.write(folder / f"{number}.jpg", "image.jpg")
        segment([str(archive)], SegmentOptions(model, output, resume=True))
        masks.append((output / "image_segmentation.png").read_bytes())
    assert masks[0] != masks[1]
    time_ns = (output / "image_segmentation.png").stat().st_mtime_ns
    segment([str(archive)], SegmentOptions(model, output, resume=True))
    assert (output / "image_segmentation.png").stat().st_mtime_ns == time_ns  # the same: kept


def test_what_tells_that_a_source_is_the_same(tmp_path: Path) -> None:
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    ((frame, _),) = find_sources([video])
    before = stamp(frame)
    os.utime(video, ns=(1, 1))
    assert before and stamp(frame) != before
    ((address, _),) = find_sources(["http://localhost/a.jpg"])
    assert stamp(address) == ""


def test_an_address_is_never_kept(tmp_path: Path) -> None:
    ((address, relative),) = find_sources(["http://localhost/a.jpg"])
    done = Done(MaskRow("", "", 1, 1, 0, 0.0), None)
    with ResumeJournal(tmp_path, "", {}, resume=False) as journal:
        journal.add(address, relative, stamp(address), done, [])
    with ResumeJournal(tmp_path, "", {}, resume=True) as journal:
        assert journal.find(address, relative, []) is None


@pytest.mark.parametrize("changed", ["provider", "contract"])
def test_what_masks_depend_on_is_not_mixed(
    changed: str, folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [str(folder / "000.jpg")]
    segment(few, SegmentOptions(model, tmp_path, provider="cpu"))
    opened = Segmenter.__init__

    def open_otherwise(self: Segmenter, *args: Any) -> None:
        opened(self, *args)
        if changed == "provider":
            self.provider = "openvino"  # what auto may become
        else:
            self.contract = Contract(size=self.contract.size, threshold=0.3)

    monkeypatch.setattr(Segmenter, "__init__", open_otherwise)
    with pytest.raises(InputError, match=rf"other settings \({changed}\)"):
        segment(few, SegmentOptions(model, tmp_path, provider="cpu", resume=True))


def test_a_mask_that_another_image_has_overwritten_is_not_kept(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "dd" / "x").mkdir(parents=True)
    for name, number in (("a.jpg", "000"), ("x/a.jpg", "003")):
        (tmp_path / "dd" / name).write_bytes((folder / f"{number}.jpg").read_bytes())
    whole, part, output = str(tmp_path / "dd"), str(tmp_path / "dd" / "x"), tmp_path / "masks"
    segment([whole], SegmentOptions(model, output))
    first = contents(output)
    for given in (part, whole):
        assert segment([given], SegmentOptions(model, output, resume=True)) == 0
    assert contents(output) == first


def test_leftovers_are_this_machines_own(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from inference.files import replacing
with replacing(Path({str(tmp_path)!r}) / "a.png") as temporary:
    temporary.touch()
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".png"
    machine = left.name.split(".")[-3].split("-")[0]
    others = [".photo.20190102.jpg", f".a.{'9' * 30}.png", f".a.{machine}-{'9' * 30}.partial.png"]
    others += [left.name.replace(machine, "00000000" if machine != "00000000" else "00000001")]
    for name in others:
        (tmp_path / name).touch()
    with replacing(tmp_path / "b.png") as temporary:
        temporary.touch()
        remove_leftovers(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {*others, temporary.name}


def test_entries_of_earlier_releases_count(folder: Path, model: Path, tmp_path: Path) -> None:
    """They lack the last columns of a row, and list the measures, with one more that is gone."""
    few = [str(path) for path in sorted(folder.iterdir())[:3]]
    options = SegmentOptions(model, tmp_path, ("mask", "csv"))
    segment(few, options)
    first = contents(tmp_path)
    journal = tmp_path / ".finished.jsonl"
    lines = []
    for line in filter(None, journal.read_text().split("\n")):
        entry = json.loads(line)
        if "stem" in entry:
            entry["row"] = entry["row"][:6]
            entry["measures"] = [*entry["measures"].values(), 0.123]
        lines.append(json.dumps(entry))
    journal.write_text("\n".join(lines) + "\n")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert segment(few, dataclasses.replace(options, resume=True)) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")} == times
    assert contents(tmp_path) == first


def test_two_runs_into_one_folder(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(folder / "000.jpg")]
    lock = Lock(tmp_path)
    with pytest.raises(InputError, match="another run is using this folder"):
        segment(few, SegmentOptions(model, tmp_path))
    lock.release()
    assert segment(few, SegmentOptions(model, tmp_path)) == 0
    assert not (tmp_path / ".lock").exists()


def test_the_tables_of_an_earlier_run_go_first(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [str(folder / "000.jpg")]
    segment(few, SegmentOptions(model, tmp_path, ("mask", "csv", "sheet", "report")))
    tables = ["masks.csv", "errors.csv", "measures.csv", "sheet.jpg", "report.html"]
    assert all((tmp_path / name).exists() for name in tables)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Job, "_write_tables", interrupt)
    with pytest.raises(KeyboardInterrupt):
        segment(few, SegmentOptions(model, tmp_path))
    assert not any((tmp_path / name).exists() for name in tables)


def test_an_image_replaced_during_the_run_is_done_again(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, output = tmp_path / "a.jpg", tmp_path / "masks"
    image.write_bytes((folder / "000.jpg").read_bytes())
    write = Writer.__call__

    def replace(self: Writer, lesion: Segmentation) -> Done:
        image.write_bytes((folder / "003.jpg").read_bytes())  # after it was read
        return write(self, lesion)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "__call__", replace)
        segment([str(image)], SegmentOptions(model, output))
    first = (output / "a_segmentation.png").read_bytes()
    segment([str(image)], SegmentOptions(model, output, resume=True))
    assert (output / "a_segmentation.png").read_bytes() != first


def test_a_planted_link_is_not_followed(folder: Path, model: Path, tmp_path: Path) -> None:
    victim, output = tmp_path / "victim", tmp_path / "masks"
    victim.write_bytes(b"precious")
    output.mkdir()
    few = [str(folder / "000.jpg")]
    (output / "000_segmentation.png").symlink_to(victim)
    assert segment(few, SegmentOptions(model, output)) == 0
    assert not (output / "000_segmentation.png").is_symlink()
    (output / ".finished.jsonl").unlink()
    (output / ".finished.jsonl").symlink_to(victim)
    for resume in (False, True):
        with pytest.raises(InputError, match="is a link, which is not followed; delete it"):
            segment(few, SegmentOptions(model, output, resume=resume))
    assert victim.read_bytes() == b"precious"


def test_a_journal_that_was_tampered_with(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(folder / "000.jpg")]
    segment(few, SegmentOptions(model, tmp_path))
    journal = tmp_path / ".finished.jsonl"
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join(line for line in lines if b'"settings"' not in line))
    with pytest.raises(InputError, match="has lost the line with its settings"):
        segment(few, SegmentOptions(model, tmp_path, resume=True))
    for odd in (b"5", b"[]", b"[" * 10**5, b'{"stem": "000"}', b'{"stem": "000", "image": 1}'):
        journal.write_bytes(b"\n".join([*lines, odd]))
        assert segment(few, SegmentOptions(model, tmp_path, resume=True)) == 0


def test_shards_share_a_folder_and_nobody_else_does(tmp_path: Path) -> None:
    one, other = {"models": ["a"]}, {"models": ["b"]}
    with ResumeJournal(tmp_path, "-1-of-2", one, resume=False):
        with ResumeJournal(tmp_path, "-2-of-2", one, resume=False):
            pass
        with pytest.raises(InputError, match="another model or other settings"):
            ResumeJournal(tmp_path, "-2-of-2", other, resume=False)
        with pytest.raises(InputError, match="another run is using this folder"):
            ResumeJournal(tmp_path, "", one, resume=True)
    with (
        ResumeJournal(tmp_path, "", one, resume=True),
        pytest.raises(InputError, match="another run is using this folder"),
    ):
        ResumeJournal(tmp_path, "-1-of-2", one, resume=True)
    assert not list(tmp_path.glob(".lock*"))
