"""Killed at any moment, a run goes on where it stopped, and ends as if it had never been disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.command import InputError
from inference.finished import Finished
from inference.segment import segment
from tests.inference.test_segment import contents
from training.synthesize import make_lesion

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
    assert segment([str(folder)], model, undisturbed, save) == 1

    # One process is started that forks, and the forks are killed: twenty starts would take long.
    code = f"""
import os, random, signal, time
from pathlib import Path
import inference.segment
chance = random.Random(1)
output = Path({str(disturbed)!r})
masks = lambda: len(list(output.glob("*.png")))
for number in range({KILLS}):
    enough = masks() + chance.randrange(6)
    child = os.fork()
    if not child:
        inference.segment.segment([{str(folder)!r}], Path({str(model)!r}), output, {save!r},
                                  batch_size=1, threads=2, resume=True)
        os._exit(0)
    while masks() < enough and not os.waitpid(child, os.WNOHANG)[0]:
        pass
    time.sleep(chance.uniform(0, 0.003))
    os.kill(child, signal.SIGKILL)
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "finished")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert done == ["killed"] * KILLS
    assert segment([str(folder)], model, disturbed, save, resume=True) == 1
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
    assert segment([str(folder)], model, tmp_path / "masks", resume=True) == 1
    assert len((tmp_path / "masks" / "masks.csv").read_text().splitlines()) == 1 + 119


def test_what_is_finished_and_whole_stays(folder: Path, model: Path, tmp_path: Path) -> None:
    segment([str(folder)], model, tmp_path)
    first = contents(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    lost, cut, changed = (f"{i:03}_segmentation.png" for i in (3, 7, 9))
    (tmp_path / lost).unlink()
    (tmp_path / cut).write_bytes(first[cut][:40])
    os.utime(folder / "009.jpg")
    assert segment([str(folder)], model, tmp_path, resume=True) == 1
    assert contents(tmp_path) == first
    now = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert {name for name in now if now[name] != times[name]} == {lost, cut, changed}


def test_more_products_are_added(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(path) for path in sorted(folder.iterdir())[:6]]
    segment(few, model, tmp_path)
    segment(few, model, tmp_path, ("mask", "csv"), resume=True)
    assert len((tmp_path / "measures.csv").read_text().splitlines()) == 7


def test_another_model_is_not_mixed_in(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(folder / "000.jpg")]
    segment(few, model, tmp_path / "masks")
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes() + b"\0")
    with Finished(tmp_path / "masks", "", {"models": ["x"]}, resume=False):
        pass
    with pytest.raises(InputError, match="another model or other settings"):
        segment(few, model, tmp_path / "masks", resume=True)
    assert segment(few, model, tmp_path / "masks") == 0  # begun anew


def test_a_cut_line_counts_for_nothing(folder: Path, model: Path, tmp_path: Path) -> None:
    few = [str(path) for path in sorted(folder.iterdir())[:6]]
    segment(few, model, tmp_path)
    first = contents(tmp_path)
    journal = tmp_path / ".finished.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    for _ in range(2):
        assert segment(few, model, tmp_path, resume=True) == 0
        assert contents(tmp_path) == first
