"""Few clients for a moment; `python -m tests.attacks.load` brings many."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed: the app extra")

from tests.app.server import serve
from tests.attacks.load import load_server, make_photos


def test_none_fails(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, str(model)) as address:
        rows = load_server(address, 8, 24, 1, make_photos(2))
        broken = load_server(address, 2, 2, 1, [b"no image"])
    assert [(row.way, row.requests, row.failed) for row in rows] == [
        ("page", 24, 0),
        ("http", 24, 0),
    ]
    assert [row.failed for row in broken] == [2, 2]
