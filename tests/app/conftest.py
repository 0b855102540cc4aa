"""A running page, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from inference.images.formats import is_image
from inference.images.write import write_image
from inference.runtime.segmenter import Segmenter
from training.synthetic.lesion import make_lesion

ROOT = Path(__file__).parents[2]

pytest.importorskip("gradio", reason="gradio is not installed: the app extra")


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three made-up lesions, one large enough to be shown smaller."""
    folder = tmp_path_factory.mktemp("photographs")
    paths = []
    for number, (height, width) in enumerate(((192, 256), (240, 200), (900, 1300))):
        image, _ = make_lesion(np.random.default_rng(number), height, width)
        write_image(folder / f"lesion-{number}.jpg", image)
        paths.append(folder / f"lesion-{number}.jpg")
    return paths


@pytest.fixture(scope="session")
def segmenter(model: Path) -> Segmenter:
    return Segmenter(model, 1)


@pytest.fixture(scope="session")
def address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running page with two models."""
    folder = tmp_path_factory.mktemp("page")
    second = Path(shutil.copy(model, folder / "second.onnx"))
    with serve(folder, str(model), str(second)) as address:
        yield address
    assert not list((folder / "temporary").glob("lesions-*"))  # results
    assert not [path for path in (folder / "temporary").rglob("*") if is_image(path)]  # uploads


@pytest.fixture(scope="session")
def mcp_address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that language models may use."""
    with serve(tmp_path_factory.mktemp("mcp"), str(model), "--mcp") as address:
        yield address


@contextmanager
def serve(folder: Path, *arguments: str) -> Iterator[str]:
    """Runs `python -m app` on a free port until the block ends; its files stay in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary, log = folder / "temporary", folder / "log.txt"
    temporary.mkdir()
    command = [sys.executable, "-m", "app", "--model", *arguments]
    command += ["--port", str(port), "--threads", "1"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as server,
    ):
        for _ in range(600):
            assert server.poll() is None, log.read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.wait(30)
