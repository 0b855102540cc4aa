"""What a visitor who means harm sends: paths of the server, and names that are not its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib import error, request

import numpy as np
import pytest

from app.components import require_upload
from inference.images.write import write_image
from training.synthetic.lesion import make_lesion

gradio = pytest.importorskip("gradio", reason="gradio is not installed: the app extra")
REFUSED = "not an uploaded file"


def call(address: str, path: str, content: Any = None, **headers: str) -> tuple[int, str]:
    """The status and the text of an answer."""
    data = None if content is None else json.dumps(content).encode()
    sent = request.Request(address + path, data, {"Content-Type": "application/json", **headers})
    try:
        with request.urlopen(sent, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def run(address: str, function: int, data: list[Any], session: str) -> str:
    """What the queue answers to a call of a function by its number."""
    asked = {"data": data, "fn_index": function, "session_hash": session}
    status, text = call(address, "/gradio_api/queue/join", asked)
    if status != 200:
        return text
    return call(address, f"/gradio_api/queue/data?session_hash={session}")[1]


def inputs(config: dict[str, Any], dependency: dict[str, Any], file: Any) -> tuple[list[Any], bool]:
    """Values for a function's inputs, with a file wherever it takes one."""
    kinds = {component["id"]: component for component in config["components"]}
    values: list[Any] = []
    takes_files = False
    for number in dependency["inputs"]:
        component = kinds[number]
        several = component["props"].get("file_count") == "multiple"
        if component["type"] in ("image", "file"):
            takes_files = True
            values.append([file] if several else file)
        else:
            values.append(component["props"].get("value"))
    return values, takes_files


def test_no_function_reads_a_file_that_was_not_uploaded(address: str, tmp_path: Path) -> None:
    secret = tmp_path / "present.jpg"
    write_image(secret, make_lesion(np.random.default_rng(9), 96, 128)[0])
    config = json.loads(call(address, "/config")[1])
    tried = 0
    answers: dict[tuple[int, int, bool], set[str]] = {}
    foreign = [str(secret), "/etc/passwd", "/proc/self/environ", str(tmp_path / "missing.jpg"), ""]
    foreign += ["../" * 12 + str(secret)[1:], "\0", "x" * 5000]
    for dependency in config["dependencies"]:
        for number, path in enumerate(foreign):
            for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
                values, takes_files = inputs(config, dependency, {"path": path, **meta})
                if not takes_files:
                    continue
                session = f"attack{dependency['id']}-{number}-{len(meta)}"
                answer = run(address, dependency["id"], values, session)
                assert '"success": true' not in answer and '"success":true' not in answer, answer
                said = " ".join(re.findall(r'"error":"(.*?)"', answer)).replace(path, "")
                said = re.sub("present|missing", "", said)  # what is left of a path cut short
                answers.setdefault((dependency["id"], len(meta), number in (0, 3)), set()).add(said)
                tried += 1
    # What is there and what is not are told alike: the answer says nothing of the server's files.
    for (_, _, pair), said in answers.items():
        assert not pair or len(said) == 1, said
    assert tried >= 4 * 2 * len(foreign)  # photo, comparison, batch, both endpoints


def test_the_same_answer_whether_or_not_there_is_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    (tmp_path / "there.jpg").write_bytes(b"x")
    (uploads / "link.jpg").symlink_to(tmp_path / "there.jpg")
    (uploads / "mine.jpg").write_bytes(b"x")
    assert require_upload(uploads / "mine.jpg") == (uploads / "mine.jpg").resolve()
    for path in (
        tmp_path / "there.jpg", tmp_path / "not.jpg", uploads / "link.jpg", uploads,
        uploads / ".." / "there.jpg", "", "\0", "uploads/mine.jpg", None, os.sep,
    ):  # fmt: skip
        with pytest.raises(gradio.Error, match=REFUSED):
            require_upload(path)


def test_other_names_are_refused(address: str) -> None:
    port = address.rpartition(":")[2]
    assert call(address, "/config", Host=f"localhost:{port}")[0] == 200
    for name in ("rebound.example.org", f"rebound.example.org:{port}", "10.0.0.1", ""):
        assert call(address, "/config", Host=name)[0] == 400
