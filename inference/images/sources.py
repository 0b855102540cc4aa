"""Images that are not files on disk: addresses, and frames of videos; archives.py has those in zips."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from threading import Lock, Thread
from urllib import request
from urllib.error import HTTPError
from urllib.parse import quote

import cv2

from inference.errors import InputError
from inference.files import require_text_name

MAX_BYTES = 2**28  # of a download
MAX_SECONDS = 60.0  # for one download, from the request to the last byte
CHUNK = 2**16
MIN_FRAME_BYTES = 8  # a frame like the one before takes more, with its entry in the index


@dataclass(frozen=True)
class Address:
    """An image at an http or https address."""

    url: str

    def __str__(self) -> str:
        return self.url

    def read_bytes(self) -> bytes:
        """Downloads it: at most MAX_BYTES, in at most MAX_SECONDS."""
        downloaded: Future[bytes] = Future()

        def work() -> None:
            try:
                downloaded.set_result(self._download(time.monotonic() + MAX_SECONDS))
            except Exception as error:  # raised below
                downloaded.set_exception(error)

        # A thread can be abandoned: DNS lookup and headers have no overall time limit.
        Thread(target=work, daemon=True).start()
        if not wait([downloaded], MAX_SECONDS).done:
            raise self._limit()
        try:
            return downloaded.result()
        except InputError:
            raise
        except (OSError, ValueError, OverflowError, HTTPException) as error:
            reason = error or type(error).__name__
            raise InputError(
                f"{self.url}: cannot be downloaded ({reason}); check the address, or try again"
            ) from error

    def _download(self, end: float) -> bytes:
        data = bytearray()
        with open_web(self.url) as response:
            while chunk := response.read1(CHUNK):
                data += chunk
                if len(data) > MAX_BYTES or time.monotonic() > end:
                    raise self._limit()
            if response.length:  # `read1` takes a dropped connection for the end
                raise IncompleteRead(bytes(data), response.length)
        return bytes(data)

    def _limit(self) -> InputError:
        return InputError(
            f"{self.url}: more than {MAX_BYTES} bytes or {MAX_SECONDS:.0f} seconds; "
            "download it yourself"
        )


def open_web(url: str) -> HTTPResponse:
    """Opens an http or https address; redirects must stay http(s): `urlopen` would follow to ftp."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.UnknownHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    try:
        response: HTTPResponse = opener.open(quote_path(url), timeout=MAX_SECONDS)
    except HTTPError as error:
        error.close()  # it keeps the connection open
        raise
    return response


def quote_path(url: str) -> str:
    """An address with its path and query in ASCII; its host may be in any script."""
    _, host, path = re.split("^(https?://[^/?#]*)", url)
    # What is ASCII stays: it may be quoted already.
    return host + re.sub(
        "[^\0-\x7f]+", lambda found: quote(found[0], errors="surrogateescape"), path
    )


class Video:
    """A video file, read frame by frame; equal to another Video of the same path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        require_text_name(path)  # OpenCV dies of another
        self._capture = cv2.VideoCapture(str(path))
        self._next = 0
        self._lock = Lock()
        self.frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if self.frames > path.stat().st_size // MIN_FRAME_BYTES:
            self.frames = self._count()
        if not self._capture.isOpened() or self.frames < 1:
            raise InputError(f"{path}: is not a video that OpenCV can read; convert it to MP4")

    def _count(self) -> int:
        """Counts the frames there are: a header can claim any number."""
        frames = 0
        while self._capture.grab():
            frames += 1
        self._next = frames
        return frames

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Video) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def read_frame(self, number: int) -> bytes:
        """One frame as the bytes of an image file; frames in sequence are the fastest."""
        with self._lock:
            if number != self._next:
                self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            read, pixels = self._capture.read()
            self._next = number + 1
        if not read:
            raise InputError(f"{self.path}: frame {number} cannot be read; copy the video again")
        return cv2.imencode(".bmp", pixels)[1].tobytes()


@dataclass(frozen=True)
class Frame:
    """One frame of a video."""

    video: Video = field(repr=False)
    number: int

    def __str__(self) -> str:
        return f"{self.video.path}#{self.number}"

    def read_bytes(self) -> bytes:
        return self.video.read_frame(self.number)
