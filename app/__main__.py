"""Opens the demo in the browser.

python -m app
python -m app --model model.onnx model-int8.onnx --port 8080
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import gradio.routes
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from tyro.conf import arg

from app.gate import GatedBlocks, list_hosts
from app.guard import MAX_IMAGE, Guard
from app.http_api import list_routes
from app.login import read_auth
from app.metrics import Meter, Metrics
from app.page import FAVICON, HEAD, STYLE, build_page
from app.service import Service
from app.tabs.languages import LANGUAGES
from inference.cli import run
from inference.errors import InputError
from inference.models import SHIPPED, SHIPPED_INT8
from inference.runtime.segmenter import Segmenter

MAX_WAITING = 256  # visitors in the queue; more are told that the server is full
MAX_STATES = 100  # visits whose last photograph is kept, 3 MB each; the oldest are forgotten


def app(
    model: tuple[Path, ...] = (SHIPPED, SHIPPED_INT8),
    host: str = "127.0.0.1",
    port: int = 7860,
    threads: int = 0,
    mcp: bool = False,
    allowed_hosts: tuple[str, ...] = (),
    root_path: str = "",
    corrections: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Open the demo in the browser. To require a login, set APP_AUTH=user:password in the environment.

    Args:
        model: Model files, as `make export` writes them; default: the shipped ones. The first is used for
            segmentation; all can be compared.
        host: Address to listen on; with 0.0.0.0, other machines can connect, so set APP_AUTH.
        port: Port to listen on.
        threads: CPU cores to use; default: all.
        mcp: Also offer the endpoints to language models, through the Model Context Protocol (MCP).
        allowed_hosts: Host names of the server, as in demo.example.org; requests for others are refused.
            Default: those of this machine and `host`; with 0.0.0.0, any name.
        root_path: Path under which a proxy serves the page, as in /lesions.
        corrections: Folder for the photos and masks that visitors correct, in the layout that
            training.prepare reads. Default: visitors download the pairs.
    """
    if not 0 < port < 65536:
        raise InputError(f"--port {port}: must be from 1 to 65535, as in 7860")
    hosts = list_hosts(host, allowed_hosts)
    names = [path.name for path in model]
    if len(set(names)) < len(names):
        names = [str(path) for path in model]
    if corrections:
        make_folder(corrections)
    models = {name: Segmenter(path, threads) for name, path in zip(names, model)}
    service = Service(models, corrections)
    uploads = service.folder / "uploads"  # so that they go when we do
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    # It read the environment when it was loaded.
    gradio.routes.DEFAULT_TEMP_DIR = str(uploads)  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: closes, then cleans up
    try:
        page = build_page(service, queue=not mcp)
        service.spared = page.shared
        if mcp:
            from app.tools import offer_tools  # needs the package mcp

            page.received = uploads / "received"
            offer_tools(page.received)
        launch(page, service, host, port, mcp, hosts, root_path)
    finally:
        service.close()


def make_folder(corrections: Path) -> None:
    """Makes the folder of corrections: that it cannot be written is told now, not to visitors."""
    try:
        corrections.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=corrections).close()
    except OSError as error:
        raise InputError(
            f"--corrections {corrections}: cannot be written ({error.strerror}); give another folder"
        ) from error


def launch(
    page: GatedBlocks,
    service: Service,
    host: str,
    port: int,
    mcp: bool,
    hosts: list[str],
    root_path: str = "",
) -> None:
    """Serves the page, and returns when it is closed.

    Args:
        hosts: names by which it may be asked for.

    Raises:
        InputError: the port is taken.
    """
    # Beyond that, visitors are told so instead of kept waiting.
    login = read_auth(os.environ.get("APP_AUTH"))
    metrics = Metrics()
    guards = [
        Middleware(Meter, metrics=metrics),
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
        Middleware(Guard, login=login),
    ]
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=2)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            auth=login,
            max_file_size=MAX_IMAGE,
            mcp_server=mcp,
            root_path=root_path,
            app_kwargs={
                "middleware": guards,
                "routes": list_routes(service, metrics),
                "openapi_url": None,
            },
            state_session_capacity=MAX_STATES,
            enable_monitoring=False,
            run_history=False,  # it would keep photographs in the browser
            favicon_path=FAVICON,
            css=STYLE,
            head=HEAD,
            i18n=LANGUAGES,
            show_error=True,
            share=False,
            ssr_mode=False,
            footer_links=["api"],
        )
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}: cannot listen there; choose another"
        ) from error


if __name__ == "__main__":
    run(app)
