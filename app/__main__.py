"""Opens the demo in the browser.

python -m app
python -m app --model model.onnx model-int8.onnx --port 8080
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from app.page import FAVICON, LANGUAGES, STYLE, build_page
from app.service import Service
from inference.cli import run
from inference.errors import InputError
from inference.models import SHIPPED, SHIPPED_INT8
from inference.runtime.segmenter import Segmenter

MAX_BYTES = 50_000_000  # of one upload
LOOPBACK = ["localhost", "127.0.0.1", "["]  # the last is what remains of [::1] without its port
MAX_WAITING = 256  # visitors in the queue; more are told that the server is full


def app(
    model: tuple[Path, ...] = (SHIPPED, SHIPPED_INT8),
    host: str = "127.0.0.1",
    port: int = 7860,
    threads: int = 0,
    mcp: bool = False,
    allowed_hosts: tuple[str, ...] = (),
    root_path: str = "",
) -> None:
    """Open the demo in the browser. APP_AUTH=user:password in the environment asks visitors for both.

    Args:
        model: Model files, as `make export` writes them; default: those that ship. The first
            segments; all can be compared.
        host: Address to listen on; 0.0.0.0 lets other machines in: then set APP_AUTH.
        port: Port to listen on.
        threads: Cores that the model computes on; default: all.
        mcp: Also offer the endpoints to language models, by the Model Context Protocol.
        allowed_hosts: Names by which visitors may call the server, such as demo.example.org; requests to
            any other name are refused. Default: localhost and 127.0.0.1 while only this machine can
            connect, else any name.
        root_path: Path of the demo behind a proxy that passes on a part of a site, such as /lesions.
    """
    if not 0 < port < 65536:
        raise InputError(f"--port {port}: must be from 1 to 65535, as in 7860")
    names = [path.name for path in model]
    if len(set(names)) < len(names):
        names = [str(path) for path in model]
    service = Service({name: Segmenter(path, threads) for name, path in zip(names, model)})
    os.environ["GRADIO_TEMP_DIR"] = str(service.folder / "uploads")  # so that they go when we do
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: closes, then cleans up
    try:
        launch(build_page(service), host, port, mcp, allowed_hosts, root_path)
    finally:
        service.close()


def launch(
    page: gr.Blocks,
    host: str = "127.0.0.1",
    port: int = 7860,
    mcp: bool = False,
    allowed_hosts: Sequence[str] = (),
    root_path: str = "",
    wait: bool = True,
) -> None:
    """Serves the page.

    Args:
        wait: return only when the page is closed.

    Raises:
        InputError: the port is taken.
    """
    # gradio asks its own server whether it is up, and would do so through a proxy; the demo needs none.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    # A name that resolves to this machine lets any web site call a server here (DNS rebinding).
    hosts = list(allowed_hosts) or (LOOPBACK if host in LOOPBACK else ["*"])
    # Beyond that, visitors are told so instead of kept waiting.
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=2)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            auth=read_auth(os.environ.get("APP_AUTH")),
            max_file_size=MAX_BYTES,
            mcp_server=mcp,
            prevent_thread_lock=not wait,
            favicon_path=FAVICON,
            css=STYLE,
            i18n=LANGUAGES,
            show_error=True,
            share=False,
            ssr_mode=False,
            root_path=root_path or None,
            app_kwargs={"middleware": [Middleware(TrustedHostMiddleware, [*hosts, *LOOPBACK])]},
            footer_links=["api"],
        )
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}: cannot listen there; choose another"
        ) from error


def read_auth(text: str | None) -> tuple[str, str] | None:
    """Name and password from "name:password"; None if nothing was given."""
    if not text:
        return None
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise InputError(
            "APP_AUTH: must be name:password; change it, or unset it to let everyone in"
        )
    return name, password


if __name__ == "__main__":
    run(app)
