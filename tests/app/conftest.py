"""A running page, on loopback."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.images.write import write_image
from inference.runtime.segmenter import Segmenter
from tests.app.server import serve
from training.synthetic.lesion import make_lesion

pytest.importorskip("gradio", reason="gradio is not installed: the app extra")


@pytest.fixture(scope="session", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for temporary files: gradio's client leaves an empty folder for each that it downloads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        yield


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


@pytest.fixture(scope="session")
def mcp_address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that language models may use."""
    with serve(tmp_path_factory.mktemp("mcp"), str(model), "--mcp") as address:
        yield address
