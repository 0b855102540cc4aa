"""How the page is started: who may enter, how much is taken, and language models."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from app.__main__ import make_folder
from app.login import read_auth
from inference.errors import InputError
from tests.app.server import serve

ROOT = Path(__file__).parents[2]


def test_auth_comes_from_the_environment() -> None:
    assert read_auth("ada:lovelace:1") == ("ada", "lovelace:1")
    assert read_auth(None) is None and read_auth("") is None
    for wrong in ("ada", "ada:", ":secret"):
        with pytest.raises(InputError, match="name:password"):
            read_auth(wrong)


def test_a_folder_of_corrections_that_cannot_be_written(tmp_path: Path) -> None:
    make_folder(tmp_path / "new" / "folder")
    assert not list((tmp_path / "new" / "folder").iterdir())
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", Path("/proc/none")):
        with pytest.raises(InputError, match=r"--corrections .*: cannot be written"):
            make_folder(wrong)


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
    tools = ask_mcp(mcp_address, "tools/list", {})["tools"]
    told = {tool["name"]: tool["description"] for tool in tools}
    assert set(told) == {"segment", "segment_all", "describe"}
    assert "Outlines the lesion in a dermoscopic photograph" in told["segment"]
    assert "$ref" not in json.dumps(tools)


def test_language_models_segment_one_and_many(mcp_address: str, photographs: list[Path]) -> None:
    images = [encode(path) for path in photographs[:2]]
    found = call_tool(mcp_address, "segment", image=images[0])
    assert [part["type"] for part in found["content"]].count("image") == 2  # mask and overlay
    assert not found["isError"] and "area_px" in json.dumps(found)
    found = call_tool(mcp_address, "segment_all", images=images)
    assert not found["isError"] and "lesions.zip" in json.dumps(found)
    for path in (str(photographs[0]), "http://127.0.0.1:9/x.jpg", "/etc/passwd"):
        for name, given in (("segment", {"image": path}), ("segment_all", {"images": [path]})):
            assert call_tool(mcp_address, name, **given)["isError"]


def test_a_password_holds_for_every_door(
    model: Path, tmp_path: Path, photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind proxies too: the page asks only itself."""
    monkeypatch.setenv("APP_AUTH", "ada:secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with serve(tmp_path, str(model), "--mcp") as address:
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
            for method in ("initialize", "tools/list", "tools/call"):
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
                assert http.post("/gradio_api/mcp/", json=body).status_code == 401
            for path in ("mcp/schema", "mcp/sse"):
                assert http.get(f"/gradio_api/{path}").status_code == 401
            for path in ("/monitoring", "/monitoring/summary", "/config", "/gradio_api/info"):
                assert http.get(path).status_code == 401
            long = b"[" * 2_000_000  # refused by its length alone
            for path in ("/login", "/gradio_api/queue/join", "/gradio_api/run/segment"):
                assert http.post(path, content=long).status_code == 413
            image = encode(photographs[0])
            answer = call_tool(address, "segment", auth=("ada", "secret"), image=image)
            assert not answer["isError"]
        kept = list((tmp_path / "temporary").rglob("file.jpg"))
        assert kept and all("lesions-" in str(path) for path in kept)  # swept with the rest
    assert not list((tmp_path / "temporary").rglob("file.jpg"))


def test_under_a_path(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, str(model), "--root-path", "/lesions") as address:
        page = httpx.get(address, trust_env=False)
        assert page.status_code == 200 and "/lesions" in page.text


def ask_mcp(
    address: str, method: str, given: dict[str, Any], auth: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The result that comes as an event."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
    headers = {"Accept": "application/json, text/event-stream"}
    url = f"{address}/gradio_api/mcp/"
    answer = httpx.post(url, json=body, headers=headers, auth=auth, timeout=60, trust_env=False)
    text = answer.text
    return dict(json.loads(text[text.index("{") :])["result"])


def call_tool(
    address: str, name: str, auth: tuple[str, str] | None = None, **given: Any
) -> dict[str, Any]:
    return ask_mcp(address, "tools/call", {"name": name, "arguments": given}, auth)


def encode(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
