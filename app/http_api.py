"""Plain HTTP for programs, and for those who run the demo.

curl -F image=@lesion.jpg http://127.0.0.1:7860/v1/segment
curl -F image=@lesion.jpg -F threshold=0.4 -o mask.png "http://127.0.0.1:7860/v1/segment?format=png"
curl http://127.0.0.1:7860/healthz
curl http://127.0.0.1:7860/metrics
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.answers import RequestError
from app.guard import SEGMENT
from app.metrics import Metrics
from app.service import Service
from inference.errors import InputError
from inference.images.pixels import TooManyPixelsError
from inference.masks.formats.rle import encode_rle
from inference.masks.png import encode_png
from inference.masks.segmentation import Segmentation

MAX_AT_ONCE = 2  # images that are segmented
MAX_WAITING, MAX_WAITING_OF_ONE = 256, 64  # requests, and those from one address
UPLOAD_SECONDS = 120.0  # in which an image must come
MAX_FIELD = 1000  # bytes of a field that is no image
PNG = "image/png"
SWITCHES = {"true": True, "1": True, "false": False, "0": False}
FIELDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "threshold": (float, "a number between 0 and 1, as in 0.5"),
    "largest_region": (lambda text: SWITCHES[text.lower()], "true or false"),
    "fill_holes": (lambda text: SWITCHES[text.lower()], "true or false"),
    "format": (("json", "png").index, "json or png"),
}


def list_routes(service: Service, metrics: Metrics) -> list[Route]:
    """POST /v1/segment, GET /healthz and GET /metrics, for the application that gradio is."""
    segmenting = Segmenting(service)

    async def healthz(request: Request) -> Response:
        segmenter = service.segmenter
        return JSONResponse(
            {"status": "ok", "model": segmenter.path.name, "provider": segmenter.provider}
        )

    async def tell_metrics(request: Request) -> Response:
        return Response(metrics.write(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route(SEGMENT, segmenting.serve, methods=["POST"]),
        Route("/healthz", healthz),
        Route("/metrics", tell_metrics),
    ]


class Segmenting:
    """Segments the image in a request; at most MAX_AT_ONCE, while at most MAX_WAITING wait."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.waiting: Counter[str] = Counter()  # by address
        self._turns = anyio.CapacityLimiter(MAX_AT_ONCE)

    async def serve(self, request: Request) -> Response:
        """The mask as PNG if the request asks for that, else JSON, as `describe` writes it."""
        address = request.client.host if request.client else ""
        try:
            self.enter(address)
            try:
                return await self._segment(request)
            finally:
                self.leave(address)
        except RequestError as refused:
            return refused.answer()

    def enter(self, address: str) -> None:
        """Lets a request wait.

        Raises:
            RequestError: too many wait already.
        """
        if sum(self.waiting.values()) >= MAX_WAITING:
            raise RequestError(503, f"{MAX_WAITING} requests are already waiting; try again later")
        if self.waiting[address] >= MAX_WAITING_OF_ONE:
            raise RequestError(
                429,
                f"{MAX_WAITING_OF_ONE} of your requests are already waiting; send fewer at once",
            )
        self.waiting[address] += 1

    def leave(self, address: str) -> None:
        """Notes that a request has been served."""
        self.waiting -= Counter({address: 1})

    async def _segment(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            image, given = find_image(form), read_fields(request, form)
            data = await image.read()
        finally:
            await form.close()
        asked = given.pop("format", None)
        as_png = asked == 1 if asked is not None else accepts_png(request)

        def work() -> Response:
            lesion = self.service.segmenter.segment(data).cut(**given)
            if as_png:
                return Response(encode_png(lesion.lesion), media_type=PNG)
            return JSONResponse(describe(lesion))

        try:
            return await anyio.to_thread.run_sync(work, limiter=self._turns)
        except TooManyPixelsError as error:
            raise RequestError(413, str(error)) from error
        except InputError as error:
            raise RequestError(422, str(error)) from error


def describe(lesion: Segmentation) -> dict[str, Any]:
    """A lesion as JSON: its mask as COCO's run lengths, its measures, its doubt, and how it was cut."""
    cut = lesion.contract
    return {
        "mask": encode_rle(lesion.mask),
        "measures": lesion.measures._asdict(),
        **lesion.doubt,
        "threshold": cut.threshold,
        "largest_region": cut.largest_region,
        "fill_holes": cut.fill_holes,
    }


async def read_form(request: Request) -> FormData:
    """The parts of a request.

    Raises:
        RequestError: it is no multipart form, or comes too slowly.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RequestError(
            415, "send the image as a multipart form, as curl -F image=@lesion.jpg does"
        )
    try:
        with anyio.fail_after(UPLOAD_SECONDS):
            return await request.form(max_files=1, max_fields=len(FIELDS), max_part_size=MAX_FIELD)
    except TimeoutError:
        raise RequestError(
            408, f"the upload took longer than {UPLOAD_SECONDS:.0f} seconds"
        ) from None
    except HTTPException as error:
        raise RequestError(400, f"{error.detail} Send one file, image") from error
    except (ValueError, LookupError, ClientDisconnect) as error:
        raise RequestError(400, "the form is malformed; send it as curl -F does") from error


def find_image(form: FormData) -> UploadFile:
    """The only file of a form."""
    image = form.get("image")
    if not isinstance(image, UploadFile):
        raise RequestError(
            400, "no image: send the file as the part image, as curl -F image=@lesion.jpg"
        )
    return image


def read_fields(request: Request, form: FormData) -> dict[str, Any]:
    """What the address and the form say besides the image; the form counts.

    Raises:
        RequestError: an unknown name, or a value that is none of those allowed.
    """
    texts = {**request.query_params, **form}
    texts.pop("image")
    values = {}
    for name, text in texts.items():
        if name not in FIELDS:
            raise RequestError(422, f"{name[:40]!r}: unknown; must be one of {', '.join(FIELDS)}")
        read, rule = FIELDS[name]
        try:
            values[name] = read(str(text))
            if name == "threshold" and not 0 < values[name] < 1:
                raise ValueError
        except (ValueError, KeyError):
            raise RequestError(422, f"{name} {str(text)[:40]!r}: must be {rule}") from None
    return values


def accepts_png(request: Request) -> bool:
    """Whether a program asks for an image by Accept, as in image/png, and not for JSON before it."""
    accepted = [
        part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")
    ]
    return PNG in accepted and "application/json" not in accepted[: accepted.index(PNG)]
