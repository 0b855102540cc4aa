"""Writes a page that runs a model in the browser: static files, for any web server, without one of ours.

python -m export.to_web build/web
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from export.web_page import write_page
from export.web_runtime import fetch_runtime
from inference.cli import run, say
from inference.models import SHIPPED


def to_web(
    folder: Annotated[Path, Positional, arg(metavar="FOLDER")],
    model: Annotated[Path, arg(metavar="MODEL")] = SHIPPED,
    runtime: Annotated[Path | None, arg(metavar="TGZ")] = None,
) -> None:
    """Write a page that segments photos in the visitor's browser; photos never leave the device.

    It works offline after the first visit, in English and Chinese. ONNX Runtime Web is downloaded once
    from the npm registry and checked against its published checksum.

    Args:
        folder: Folder to write; an earlier page in it is replaced.
        model: ONNX file. Float32 is the fastest in browsers; the default is the shipped model.
        runtime: The runtime's archive from `npm pack onnxruntime-web@VERSION`, for machines without
            network access; without it, the error message names the version.
    """
    files = write_page(folder, model, fetch_runtime(runtime))
    size = sum((folder / name).stat().st_size for name in files)
    say(f"{folder}: {len(files)} files, {size / 1e6:.0f} MB; serve it with any web server, such as")
    say(f"python -m http.server --bind localhost --directory {folder}")


if __name__ == "__main__":
    run(to_web)
