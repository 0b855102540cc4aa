"""A made-up data set, and training runs in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import pytest

from training.synthetic.lesion import make_lesion

ROOT = Path(__file__).parents[2]
COUNTS = {"train": 12, "valid": 5, "test": 2}


@pytest.fixture
def copy(raw: Path, tmp_path: Path) -> Path:
    """The made-up raw folder, free to be spoilt."""
    return Path(shutil.copytree(raw, tmp_path / "raw"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as training.prepare writes it: 12 + 5 + 2 made-up lesions of 64 x 48 pixels."""
    data = tmp_path_factory.mktemp("data")
    for seed, (split, count) in enumerate(COUNTS.items()):
        for folder in (split, f"{split}_GT"):
            (data / folder).mkdir()
        for number in range(count):
            image, mask = make_lesion(np.random.default_rng([seed, number]), 48, 64)
            cv2.imwrite(str(data / split / f"{number}.png"), image[..., ::-1])
            cv2.imwrite(str(data / f"{split}_GT" / f"{number}_segmentation.png"), mask)
    return data


class Start(Protocol):
    def __call__(self, *arguments: str | Path, ranks: int = 1) -> subprocess.Popen[str]: ...


@pytest.fixture(scope="session")
def start(dataset: Path) -> Start:
    """Starts a training of a tiny network in a process of its own."""

    def start(*arguments: str | Path, ranks: int = 1) -> subprocess.Popen[str]:
        several = ["--device-list", ",".join(map(str, range(ranks)))] if ranks > 1 else []
        # Where the tests themselves run under nohup, the training does not.
        command = ["env", "--default-signal=HUP", sys.executable, "-m", "training.train"]
        command += ["--data", str(dataset), *several]
        command += "--device cpu --width 2 --size 16 --batch-size 4".split()
        command += map(str, arguments)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "dumb"}
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


class Train(Protocol):
    def __call__(self, *arguments: str | Path, ranks: int = 1, code: int = 0) -> str: ...


@pytest.fixture(scope="session")
def train_in_process(start: Start) -> Train:
    """Runs such a training to its end; it must exit with `code`. The output."""

    def run(*arguments: str | Path, ranks: int = 1, code: int = 0) -> str:
        process = start(*arguments, ranks=ranks)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == code, output
        return output

    return run
