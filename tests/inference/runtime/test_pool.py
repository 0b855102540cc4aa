"""A file that is read for ever, as on a server that has gone, does not keep a program from ending."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.runtime.pool import Pool
from training.synthetic.lesion import make_lesion

# Reading the file "gone.jpg" never returns, once it is known to exist.
PROGRAM = """
import pathlib, runpy, sys, time
from inference.runtime import pool

read = pathlib.Path.read_bytes

def hang(path):
    while path.name == "gone.jpg":
        time.sleep(600)
    return read(path)

pathlib.Path.read_bytes, pool.GRACE = hang, 0.5
module, *arguments = sys.argv[1:]
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_read_that_hangs_is_left(
    sent: signal.Signals, code: int, model: Path, tmp_path: Path
) -> None:
    photos, output = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    for name in ("a.jpg", "gone.jpg"):
        image, _ = make_lesion(np.random.default_rng(1), 96, 128)
        cv2.imwrite(str(photos / name), image)
    command = ["inference.segment", str(photos), "--output", str(output), "--batch-size", "1"]
    command += ["--model", str(model), "--provider", "cpu"]
    # A background job of a shell ignores Ctrl-C, and so would its children.
    program = ["env", "--default-signal=INT", sys.executable, "-c", PROGRAM, *command]
    with subprocess.Popen(program, stderr=subprocess.PIPE) as process:
        while not (output / "a_segmentation.png").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(sent)
        try:
            said = process.communicate(timeout=60)[1].decode()
        finally:
            process.kill()
    assert process.returncode == code, said
    assert "Traceback" not in said
    # What was finished is kept, and the run goes on when the server is back.
    again = [sys.executable, "-m", *command, "--resume"]
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "2 of 2 images segmented" in done.stderr, done.stderr


def test_other_errors_wait_for_all_threads() -> None:
    finished: list[int] = []
    with pytest.raises(ValueError, match="wrong"), Pool(2) as pool:
        pool.submit(lambda: (time.sleep(0.2), finished.append(1)))
        raise ValueError("wrong")
    assert finished == [1]


def test_what_is_at_work_at_an_interrupt_gets_time_to_finish() -> None:
    finished: list[int] = []
    with pytest.raises(KeyboardInterrupt), Pool(1) as pool:
        pool.submit(lambda: (time.sleep(0.2), finished.append(1)))
        pool.submit(lambda: finished.append(2))  # has not begun
        raise KeyboardInterrupt
    assert finished == [1]
