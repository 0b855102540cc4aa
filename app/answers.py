"""Short answers to programs: errors are one line of JSON."""

from __future__ import annotations

from starlette.responses import JSONResponse


class RequestError(Exception):
    """A request that is not served: the status of HTTP, and one line on what is wrong and the fix."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers

    def answer(self) -> JSONResponse:
        """{"error": ...}, and the headers that belong to the status."""
        headers = RETRY if self.status in (429, 503) else self.headers
        return JSONResponse({"error": str(self)}, self.status, headers)


RETRY = {"Retry-After": "5"}  # seconds
