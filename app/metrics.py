"""What those who run the demo want to know: requests, their time and status, memory; for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.guard import DIRECT, JOIN, MCP, OWN, PREFIX, UPLOAD, find_path

# Few names, whatever is asked for: each has its own time series.
DOORS = {
    **dict.fromkeys((*JOIN, *DIRECT), "call"),
    f"{PREFIX}/queue/data": "stream",
    f"{PREFIX}/heartbeat": "stream",
    UPLOAD: "upload",
    f"{PREFIX}/file": "file",
    MCP: "mcp",
    **{path: path.strip("/") for path in OWN},
}
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds


class Metrics:
    """Counts of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "lesions_requests", "Requests.", ["door", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "lesions_request_seconds",
            "Time from a request to the end of its answer.",
            ["door"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.busy = Gauge(
            "lesions_requests_in_progress",
            "Requests that are being served.",
            registry=self.registry,
        )

    def write(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)


class Meter:
    """Stands before everything else and counts."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        door, status = name_door(find_path(scope)), 500
        start = time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            with self.metrics.busy.track_inprogress():
                await self.app(scope, receive, note)
        finally:
            self.metrics.requests.labels(door, status).inc()
            self.metrics.seconds.labels(door).observe(time.perf_counter() - start)


def name_door(path: str) -> str:
    """What a request is for: one of few words."""
    return next((name for start, name in DOORS.items() if path.startswith(start)), "page")
