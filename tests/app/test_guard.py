"""What is refused before gradio reads it."""

import json
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest

from app import bodies, guard
from app.answers import RequestError
from app.bodies import check_json, limit, read_body
from app.guard import MAX_PENDING, make_room
from app.login import MAX_GUESSES, Guesses
from app.metrics import name_door
from tests.app.server import serve

API = "/gradio_api"
POSTS = [
    *(f"{API}/{name}" for name in ("queue/join", "upload", "cancel", "reset", "component_server")),
    *(f"{API}/call/{name}" for name in ("segment", "segment_all", "nothing")),
    *(f"{API}/call/v2/{name}" for name in ("segment", "nothing")),
    *(f"{API}/{way}/{name}" for way in ("run", "api") for name in ("segment", "nothing")),
    *(f"{API}/{name}" for name in ("mcp/", "file=x", "stream/x", "vibe-edit", "undo-vibe-edit")),
    *("/login", "/config", "/v1/segment", "/healthz", "/metrics", "/"),
]
MALFORMED = [
    *(b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000),
    *(b'{"data": null}', b'{"data": {}}', b'{"data": [[]]}', b'{"data": [NaN]}'),
    *(b'{"data": [1e999], "session_hash": "a"}', b'{"data": ["\\ud800"], "session_hash": "a"}'),
    *(b'{"data": [1], "fn_index": 9999, "session_hash": "a"}', b'{"data": [], "fn_index": -1}'),
    *(b'{"data": [1], "fn_index": "x", "session_hash": "a"}', b'{"event_id": null}'),
    *(b'{"data": [], "fn_index": 0, "session_hash": "a", "batched": true}', b'{"image": {}}'),
    *(b'{"data": [[]], "fn_index": 1, "session_hash": "a"}', b'{"data": [9, {}, [], "x"]}'),
    b'{"component_id": 99999, "fn_name": "x", "session_hash": "a", "data": null}',
    b'{"data": [1], "fn_index": 1, "session_hash": "' + b"a" * 100_000 + b'"}',
]
TYPES = ("application/json", "multipart/form-data; boundary=x")


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client


def test_malformed_bodies_are_the_senders_fault(http: httpx.Client) -> None:
    for path in POSTS:
        for body in MALFORMED:
            for kind in TYPES:
                answer = http.post(path, content=body, headers={"content-type": kind})
                assert answer.status_code < 500, (path, body[:80], kind, answer.text[:200])
    for path in ("/queue/join", "/call/segment", "/run/segment", "/cancel"):
        for body in (*MALFORMED[:6], *MALFORMED[7:9]):
            answer = http.post(f"{API}{path}", content=body)
            assert 400 <= answer.status_code < 500, (path, body[:80])


def test_no_address_fails(http: httpx.Client) -> None:
    paths = [
        *(
            "/pwa_icon/0",
            "/pwa_icon/99999999",
            "/%ff",
            "/static/%00",
            "/assets/..%2f..%2fx",
            "/docs",
        ),
        *(f"{API}/file={name}" for name in ("", "%00", "//etc/passwd", "C:/x", "a" * 5000)),
        *(f"{API}/{name}" for name in ("queue/data?session_hash=no", "call/segment/no", "runs")),
        *(f"{API}/{name}" for name in ("deep_link", "dev/reload", "upload_progress?upload_id=no")),
        *("/openapi.json", "/?deep_link=../x", "/config?deep_link=%00"),
    ]
    for path in paths:
        assert http.get(path).status_code < 500, path
    assert http.get(f"{API}/dev/reload").status_code == 404
    assert http.get("/pwa_icon/99999999").status_code == 404
    assert http.get("/openapi.json").status_code == 404


def test_json_is_of_finite_numbers_and_short_names() -> None:
    assert check_json(b'{"data": [1.5, "\xc3\xa9"], "session_hash": "a-B_9"}')["data"] == [1.5, "é"]
    for body in (*MALFORMED[:6], *MALFORMED[7:9], *MALFORMED[12:15], MALFORMED[-1]):
        with pytest.raises(RequestError) as error:
            check_json(body)
        assert error.value.status == 400 and "\n" not in str(error.value)


def test_bodies_are_bounded_in_length_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> dict[str, object]:
        await anyio.sleep(0.01)
        return {"type": "http.request", "body": b"0123456789", "more_body": True}

    with pytest.raises(RequestError) as error:
        anyio.run(read_body, limit(receive, 35))
    assert error.value.status == 413
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    with pytest.raises(RequestError) as error:
        anyio.run(read_body, receive)
    assert error.value.status == 408


def test_a_full_disk_is_told(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, photographs: list[Path]
) -> None:
    monkeypatch.setattr(guard.shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
    scope = {"type": "http", "method": "POST", "path": f"{API}/upload", "headers": []}
    with pytest.raises(RequestError) as error:
        anyio.run(guard.Guard(None, None).admit, scope, None, None)  # type: ignore[arg-type]
    assert error.value.status == 503


def test_answers_that_nobody_fetches_are_bounded() -> None:
    waiting = {f"old-{number}": {"event"} for number in range(guard.MAX_SESSIONS + 5)}
    waiting["greedy"] = {str(number) for number in range(MAX_PENDING)}
    queue = SimpleNamespace(
        pending_event_ids_session=waiting,
        pending_messages_per_session=OrderedDict.fromkeys(waiting),
    )
    make_room(queue, "old-9")
    assert len(waiting) == len(queue.pending_messages_per_session) == guard.MAX_SESSIONS
    assert "old-0" not in waiting and "greedy" in waiting
    with pytest.raises(RequestError) as error:
        make_room(queue, "greedy")
    assert error.value.status == 429


def test_passwords_cannot_be_guessed_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = Guesses()
    for _ in range(MAX_GUESSES):
        assert not guesses.are_too_many("one")
        guesses.note("one")
    assert guesses.are_too_many("one") and not guesses.are_too_many("two")
    monkeypatch.setattr("app.login.GUESS_SECONDS", 0)
    assert not guesses.are_too_many("one")
    monkeypatch.setattr("app.login.MAX_ADDRESSES", 3)
    for number in range(9):
        guesses.note(str(number))
    assert len(guesses._times) <= 4


def test_doors_are_few() -> None:
    names = {name_door(path) for path in (*POSTS, "/a", f"{API}/file=/x", "/../x", "", "/v1/x")}
    assert names <= {"call", "stream", "upload", "file", "mcp", "v1", "healthz", "metrics", "page"}
    assert name_door("/v1/segment") == "v1" and name_door(f"{API}/run/segment") == "call"


def test_strangers_find_every_door_closed_and_guessing_ends(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photographs: list[Path]
) -> None:
    """Also under a path, and however the address is written."""
    monkeypatch.setenv("APP_AUTH", "ada:secret")
    image = {"image": photographs[0].read_bytes()}
    with (
        serve(tmp_path, str(model), "--mcp", "--root-path", "/lesions") as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as http,
    ):
        for start in ("", "/lesions"):
            for path in (
                "/v1/segment",
                f"{API}/upload",
                f"{API}/queue/join",
                f"{API}/call/segment",
            ):
                assert http.post(start + path, files=image).status_code == 401
                assert http.post(start + path, content=bytes(3_000_000)).status_code in (401, 413)
            doors = [
                "/healthz",
                "/metrics",
                f"{API}/info",
                f"{API}/mcp/schema",
                f"{API}/%6dcp/schema",
            ]
            for path in (*doors, f"{API}/heartbeat/x", f"{API}/token", f"{API}/file=/etc/passwd"):
                assert http.get(start + path).status_code == 401, path
            for path in ("/healthz", "/metrics"):
                assert http.get(start + path, auth=("ada", "secret")).status_code == 200
            told = http.post(f"{start}/v1/segment", files=image, auth=("ada", "secret"))
            assert told.status_code == 200 and told.json()["mask"]
        assert http.get("/").status_code == 200  # the page with the login
        for _ in range(MAX_GUESSES):
            wrong = {"username": "ada", "password": uuid.uuid4().hex}
            assert http.post("/login", data=wrong).status_code == 400
        right = http.post("/login", data={"username": "ada", "password": "secret"})
        assert right.status_code == 429 and "wait" in json.loads(right.text)["error"]
        assert http.get("/healthz", auth=("ada", "secret")).status_code == 429
