"""Who may enter: the login in APP_AUTH, and how often it may be guessed."""

from __future__ import annotations

import base64
import hmac
import time
from collections import deque
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from inference.errors import InputError

MAX_GUESSES, GUESS_SECONDS = 10, 60.0  # wrong passwords from one address, and within which time
MAX_ADDRESSES = 10_000  # that are remembered


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


def is_known(login: tuple[str, str] | None, app: Any, headers: Headers) -> bool:
    """Whether a request comes from someone who has logged in, or sends name and password.

    Args:
        login: name and password; None lets everyone in.
        app: gradio's application, which gave out the cookies.
    """
    if login is None:
        return True
    cookies = cookie_parser(headers.get("cookie", ""))
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    if any(cookies.get(name) in app.tokens for name in names):
        return True
    expected = b"Basic " + base64.b64encode(":".join(login).encode())
    return hmac.compare_digest(headers.get("authorization", "").encode(), expected)


class Guesses:
    """Wrong passwords by address, the latest MAX_GUESSES of each."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def note(self, address: str) -> None:
        """Remembers a wrong password."""
        times = self._times.pop(address, deque(maxlen=MAX_GUESSES))
        times.append(time.monotonic())
        self._times[address] = times
        if len(self._times) > MAX_ADDRESSES:
            del self._times[next(iter(self._times))]

    def are_too_many(self, address: str) -> bool:
        """Whether an address must wait before it may try again."""
        times = self._times.get(address) or deque[float]()
        return len(times) == MAX_GUESSES and time.monotonic() - times[0] < GUESS_SECONDS
