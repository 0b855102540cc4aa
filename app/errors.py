"""Errors as visitors and programs see them: in their language, without paths of the server or HTML."""

from __future__ import annotations

import functools
import html
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from app.i18n import CHINESE, speak
from app.reasons import translate
from app.uploads import hide_path
from inference.errors import InputError


@contextmanager
def readable(path: Path | None, request: gr.Request) -> Iterator[None]:
    """Shows what is wrong with an upload in the visitor's language; the server stays up."""
    try:
        yield
    except (InputError, OSError) as error:
        said, say = str(error), words(request)
        if path:
            refused = isinstance(error, InputError)
            reason = tell(hide_path(said, path), say) if refused else say["gone"]
            said = say["unreadable"].format(name=path.name, reason=reason)
        else:
            said = tell(said, say)
        raise gr.Error(html.escape(said), print_exception=False) from error


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hands the one-line errors of an endpoint to the program that called it."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (InputError, OSError) as error:
            raise gr.Error(hide_folders(str(error)), print_exception=False) from error

    return call


def hide_folders(text: str) -> str:
    """An error with the names of files alone: where the server keeps them is its own business."""
    return re.sub(re.escape(tempfile.gettempdir()) + r"/(?:[^:\n]*/)?", "", text)


def words(request: gr.Request) -> dict[str, str]:
    """The page's words in the visitor's language."""
    return speak(request.headers.get("accept-language"), request.headers.get("cookie"))


def tell(reason: str, say: dict[str, str]) -> str:
    """The one-line error of a command in the visitor's language."""
    return translate(reason) if say is CHINESE else reason


def quote(text: str) -> str:
    """Text that a visitor wrote, such as a file name, as Markdown that shows it literally."""
    return "`" + re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text.replace("`", "'")) + "`"
