"""Windows and macOS lack /proc and some modules of POSIX systems: images are segmented all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from tests.app.server import serve
from tests.source_tree import imports, list_modules
from training.synthetic.lesion import make_lesion

POSIX_ONLY = ("fcntl", "resource", "pwd", "grp", "posix", "syslog", "termios", "tty", "pty")

# What other systems lack is taken away before the command starts.
PROGRAM = f"""
import asyncio  # needs them itself, where it is that of a POSIX system
import os, runpy, sys
for name in {POSIX_ONLY[:4]!r}:
    sys.modules[name] = None
for name in ("sched_getaffinity", "sched_setaffinity", "posix_fallocate", "sysconf", "getuid", "statvfs",
             "getloadavg", "setsid", "O_NOFOLLOW", "O_DIRECTORY"):
    if hasattr(os, name):
        delattr(os, name)
os.process_cpu_count = os.cpu_count  # as Python 3.13 has it there

def refuse(event, arguments):
    if event == "open" and str(arguments[0]).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])

sys.addaudithook(refuse)
module, *arguments = sys.argv[1:]
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("layer", ["inference", "app"])
def test_no_posix_only_module_is_imported(layer: str) -> None:
    for name, path in list_modules(layer).items():
        assert not {*imports(path)} & {*POSIX_ONLY}, name


def test_images_are_segmented_without_them(model: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        image, _ = make_lesion(np.random.default_rng(number), 96, 128)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.jpg"), image)
    output = tmp_path / "masks"
    save = "mask overlay contour rle geojson probability csv sheet report".split()
    command = [sys.executable, "-c", PROGRAM, "inference.segment", tmp_path / "photos"]
    command += ["--model", model, "--output", output, "--save", *save, "--provider", "cpu"]
    for more in ([], ["--resume"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "3 of 3 images segmented" in done.stderr
    assert (output / "report.html").exists() and not (output / ".lock").exists()


@pytest.mark.parametrize(
    "module", ["inference.doctor", "inference.benchmark", "inference.evaluate"]
)
def test_other_commands_start_without_them(module: str) -> None:
    command = [sys.executable, "-c", PROGRAM, module, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "usage" in done.stdout, done.stderr


def test_the_demo_serves_without_them(model: Path, tmp_path: Path) -> None:
    """As in containers that hide /proc, too."""
    pytest.importorskip("gradio", reason="gradio is not installed: the app extra")
    image, _ = make_lesion(np.random.default_rng(0), 96, 128)
    photograph = cv2.imencode(".jpg", image)[1].tobytes()
    program = PROGRAM.replace('"statvfs",', "")  # Windows tells of a disk's space in another way
    with serve(tmp_path, str(model), start=("-c", program)) as address:
        assert httpx.get(f"{address}/healthz").status_code == 200
        answer = httpx.post(
            f"{address}/v1/segment", files={"image": ("photo.jpg", photograph)}, timeout=60
        )
        assert answer.status_code == 200, answer.text
        figures = httpx.get(f"{address}/metrics").text
    assert "lesions_requests_total" in figures and "process_resident_memory_bytes" not in figures
