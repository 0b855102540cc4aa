"""Upload components of gradio that accept nothing but uploads, and pass them on as files.

gradio checks the path of a file only where the request says that it is one: without `meta`, a request
could name any file of the server. And gradio builds a component anew from its class at every update, as
after a click on an example, so what a component does must be in its class.
"""

from __future__ import annotations

from abc import ABCMeta
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder


def require_upload(path: str | Path | None) -> Path:
    """The path of an upload.

    Raises:
        gr.Error: it lies elsewhere, whether or not there is such a file.
    """
    with suppress(ValueError, OSError, RuntimeError):  # zero bytes, loops of links
        upload = Path(path or "").resolve()  # follows links and ..
        if Path(get_upload_folder()).resolve() in upload.parents:
            return upload
    raise gr.Error("not an uploaded file: upload it first", print_exception=False)


def take_photo(component: Any, payload: Any) -> Path | None:
    """Passes on the file itself, which is decoded as everywhere else."""
    return require_upload(payload.path) if payload else None


def take_files(component: Any, payload: Any) -> Any:
    """Passes on a path, or a list of paths, as the component's `file_count` says."""
    if not payload:
        return None
    paths = [str(require_upload(file.path)) for file in getattr(payload, "root", [payload])]
    return paths[0] if component.file_count == "single" else paths


def derive(base: Any, preprocess: Any) -> Any:
    """A subclass with another `preprocess`.

    Made without gradio's metaclass, which would write a stub file beside this module.
    """
    members = {"preprocess": preprocess, "is_template": True, "__module__": __name__}
    return ABCMeta.__new__(type(base), base.__name__, (base,), members)


PhotoUpload = derive(gr.Image, take_photo)
FileUpload = derive(gr.File, take_files)
