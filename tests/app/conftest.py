"""A page that runs in a thread of this process, on loopback."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.outputs import write_image
from inference.session import Segmenter
from training.synthesize import make_lesion

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
def address(model: Path) -> Iterator[str]:
    """The address of a running page with two models."""
    from app.__main__ import launch
    from app.page import build_page
    from app.service import Service

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gradio's own
        service = Service({"one": Segmenter(model, 1), "two": Segmenter(model, 1)})
        page = build_page(service)
        launch(page, port=port, wait=False)
    yield f"http://127.0.0.1:{port}"
    page.close()
    service.close()
