"""What is let in: of every request, only files that its own visitor uploaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr

from inference.errors import InputError

FILE_META = {"_type": "gradio.FileData"}
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
ANY_ADDRESS = ("0.0.0.0", "::")
MALFORMED = "values that this address does not take: send those that /gradio_api/info lists"
REFUSED = "not a file that this visit uploaded: upload it again"


class Uploads(set[str]):
    """The files that gradio has written for visitors, and the sessions that may use each.

    gradio names an upload after its bytes, so that two visitors with one photograph share a file: each
    time that it is uploaded, one more session may use it, the first that asks.
    """

    def __init__(self) -> None:
        super().__init__()
        self._free: dict[str, int] = {}
        self._owners: dict[str, set[str]] = {}

    def update(self, *groups: Iterable[str]) -> None:
        """Notes uploads; gradio calls it after each."""
        for gone in self._free.keys() - self:
            del self._free[gone]
            self._owners.pop(gone, None)
        for path in (path for group in groups for path in group):
            self._free[path] = self._free.get(path, 0) + 1
        super().update(*groups)

    def take(self, path: str, session: str) -> bool:
        """Whether the session may use the file; by path alone, the disk is not looked at."""
        if path not in self:
            return False
        owners = self._owners.setdefault(path, set())
        if session in owners:
            return True
        if not self._free.get(path):
            return False
        self._free[path] -= 1
        owners.add(session)
        return True


class GatedBlocks(gr.Blocks):
    """A page that takes no path but that of an upload, whichever way a request comes.

    gradio itself looks only at files whose `meta` says that they are files.

    Attributes:
        shared: files that every visitor may use, such as examples.
        received: the folder where gradio writes the images that language models send inline.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.upload_file_set: Uploads = Uploads()
        self.temp_file_sets = [self.upload_file_set]
        self.shared: set[str] = set()
        self.received: Path | None = None

    async def process_api(
        self, block_fn: Any, inputs: Any, *others: Any, session_hash: Any = None, **options: Any
    ) -> dict[str, Any]:
        """Runs an event, as gradio, once its inputs are known to be the visitor's own."""
        session = session_hash or ""
        admitted = [
            self._admit(block, value, session) for block, value in zip(block_fn.inputs, inputs)
        ]
        inputs = [*admitted, *inputs[len(admitted) :]]
        options["session_hash"] = session_hash
        return await super().process_api(block_fn, inputs, *others, **options)

    async def preprocess_data(self, *given: Any, **options: Any) -> Any:
        """As gradio, whose parts raise anything for a value that they do not know."""
        try:
            return await super().preprocess_data(*given, **options)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(MALFORMED, print_exception=False) from error

    def _admit(self, block: Any, value: Any, session: str) -> Any:
        """The value, with nothing of a file but the path and the name of an upload."""
        if not isinstance(block, (gr.Image, gr.File)):
            if isinstance(value, (dict, list)):
                raise gr.Error(REFUSED, print_exception=False)
            return value
        if isinstance(value, list):
            return [self._admit_file(each, session) for each in value]
        return self._admit_file(value, session) if value else None

    def _admit_file(self, value: Any, session: str) -> dict[str, Any]:
        path = value.get("path") if isinstance(value, dict) else None
        if not isinstance(path, str) or not self._may_use(path, session):
            raise gr.Error(REFUSED, print_exception=False)
        return {"path": path, "orig_name": Path(path).name, "meta": FILE_META}

    def _may_use(self, path: str, session: str) -> bool:
        if path in self.shared or self.upload_file_set.take(path, session):
            return True
        inline = self.received is not None and not session
        return inline and Path(path).parent.parent == self.received and ".." not in path


def list_hosts(host: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """The names by which the server may be asked for.

    A page elsewhere can point its own name at this machine, and the visitor's browser then lets it read
    what is served here; a name that is not one of these is refused.

    Args:
        host: the address that is listened on.
        allowed: further names, as in demo.example.org or *.example.org.

    Raises:
        InputError: a name that is none.
    """
    for name in allowed:
        if not name or any(sign in name for sign in "/: ") or "*" in name.removeprefix("*."):
            raise InputError(
                f"--allowed-hosts {name!r}: must be a name without scheme and port, "
                "as in demo.example.org or *.example.org"
            )
    if host in ANY_ADDRESS and not allowed:
        return ["*"]
    return [*LOOPBACK, *allowed, *(() if host in ANY_ADDRESS else (host,))]
