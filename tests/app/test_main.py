"""How the page is started: who may enter, how much is taken, and language models."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest

from app.__main__ import read_auth
from inference.errors import InputError

ROOT = Path(__file__).parents[2]


def test_auth_comes_from_the_environment() -> None:
    assert read_auth("ada:lovelace:1") == ("ada", "lovelace:1")
    assert read_auth(None) is None and read_auth("") is None
    for wrong in ("ada", "ada:", ":secret"):
        with pytest.raises(InputError, match="name:password"):
            read_auth(wrong)


def test_an_image_of_too_many_pixels_is_refused(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), np.zeros((8001, 8001), np.uint8))
    code = f"""
import app
from pathlib import Path
from app.service import Service
from inference.cli import InputError
from inference.runtime.segmenter import Segmenter
service = Service({{"one": Segmenter(Path({str(model)!r}), 1)}})
try:
    service.segmenter.segment(Path({str(path)!r}))
except InputError as error:
    print(error)
service.close()
"""
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("OPENCV_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "has too many pixels" in done.stdout


def test_language_models_find_the_same_tools(mcp_address: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    request = Request(
        f"{mcp_address}/gradio_api/mcp/",
        json.dumps(call).encode(),
        {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
    )
    with urlopen(request) as response:
        text = response.read().decode()
    tools = json.loads(text[text.index("{") :])["result"]["tools"]
    told = {tool["name"]: tool["description"] for tool in tools}
    assert {"segment", "segment_all", "describe"} <= {
        name.split("_", 1)[-1] for name in told
    } | set(told)
    assert any("Outlines the lesion in a dermoscopic photograph" in text for text in told.values())
