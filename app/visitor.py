"""What is said to a visitor: in their language, and never as Markdown or HTML of somebody's making."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from app.i18n import speak
from app.uploads import tell_reason
from inference.errors import InputError


def words(request: gr.Request) -> dict[str, str]:
    """The words of a visitor's language."""
    return speak(request.headers.get("accept-language"))


def quote(text: str) -> str:
    """A visitor's words as they are, not as Markdown or HTML."""
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"


@contextmanager
def readable(path: Path | None, request: gr.Request) -> Iterator[None]:
    """Shows what is wrong with an upload in the visitor's language; the server stays up."""
    try:
        yield
    except (InputError, OSError) as error:
        said = str(error)
        if path:
            reason = tell_reason(said, path) if isinstance(error, InputError) else "is gone"
            said = words(request)["unreadable"].format(name=path.name, reason=reason)
        raise gr.Error(html.escape(said), print_exception=False) from error
