"""Many images, one in a hundred broken: the run ends as documented, in memory that does not grow.

`make soak` takes 10,000 images (SOAK_IMAGES); the suite takes few.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.segment import segment
from tests.inference.test_segment import contents
from training.synthesize import make_lesion

IMAGES = int(os.environ.get("SOAK_IMAGES", "600"))
BROKEN = (b"", b"text", b"\xff\xd8\xff\xe0 cut", b"\x89PNG\r\n\x1a\n cut", b"GIF89a")

# Resident memory is sampled while the command runs; the first third is left out as its warm-up.
PROGRAM = """
import json, sys, threading, time
from pathlib import Path
from inference.batch.options import SegmentOptions
from inference.segment import segment

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

samples = []
def sample():
    while True:
        samples.append(resident())
        time.sleep(0.01)

threading.Thread(target=sample, daemon=True).start()
folder, model, output = sys.argv[1:]
code = segment([folder], SegmentOptions(Path(model), Path(output), ("mask", "csv", "rle")))
third = len(samples) // 3
print(json.dumps([code, max(samples[third : 2 * third]), max(samples[2 * third :])]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("images")
    lesions = [make_lesion(np.random.default_rng(i), 96, 128)[0] for i in range(16)]
    for number in range(IMAGES):
        name = f"{number:06}.{'png' if number % 3 else 'jpg'}"
        if number % 100 == 57:
            (made / name).write_bytes(BROKEN[number // 100 % len(BROKEN)])
        else:
            image = np.roll(lesions[number % 16], number, axis=1)[: 64 + number % 32]
            cv2.imwrite(str(made / name), image)
    return made


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_soak(folder: Path, model: Path, tmp_path: Path) -> None:
    many, single = tmp_path / "many", tmp_path / "single"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, model, many], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    code, middle, end = json.loads(done.stdout)
    assert code == 1
    assert end <= 1.1 * middle, f"resident memory grew from {middle} to {end} pages"

    with (many / "errors.csv").open(newline="") as file:
        errors = [row["image"] for row in csv.DictReader(file)]
    broken = sorted(path for path in folder.iterdir() if int(path.stem) % 100 == 57)
    assert errors == [str(path) for path in broken] and len(errors) == IMAGES // 100
    assert len((many / "masks.csv").read_text().splitlines()) == 1 + IMAGES - len(errors)

    save = ("mask", "csv", "rle")
    assert segment([str(folder)], SegmentOptions(model, single, save, batch_size=1), threads=1) == 1
    assert contents(many) == contents(single)
