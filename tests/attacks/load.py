"""Many clients at once on the demo, by its page's API and by plain HTTP: what failed, and its memory.

python -m tests.attacks.load
python -m tests.attacks.load --clients 32 --requests 500 --rounds 3
"""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import cv2
import httpx
import numpy as np
from tyro.conf import arg

from inference.cli import run, say
from inference.markdown import tabulate
from inference.models import SHIPPED
from tests.app.server import serve
from training.synthetic.lesion import make_lesion

Number = Annotated[int, arg(metavar="N")]
MEMORY = re.compile(r"^process_resident_memory_bytes (\S+)$", re.MULTILINE)


class Row(NamedTuple):
    """A line of the table; memory of the server in MB afterwards, 0 where the system does not tell."""

    round: int
    way: str
    requests: int
    failed: int
    memory: float


def ask_page(address: str, image: bytes) -> bool:
    """Uploads an image as the page does, and asks for its outline; whether that came."""
    session = uuid.uuid4().hex
    with httpx.Client(base_url=f"{address}/gradio_api", timeout=120, trust_env=False) as http:
        (path,) = http.post("/upload", files={"files": ("lesion.jpg", image)}).json()
        events = http.get("../config").json()["dependencies"]
        (number,) = (event["id"] for event in events if event["api_name"] == "segment")
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = {"data": [file, 0.5, True, True], "fn_index": number, "session_hash": session}
        http.post("/queue/join", json=body).raise_for_status()
        with http.stream("GET", f"/queue/data?session_hash={session}") as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    return bool(message["success"])
    return False


def ask_http(address: str, image: bytes) -> bool:
    """Asks for an outline by plain HTTP; whether it came."""
    files = {"image": ("lesion.jpg", image)}
    answer = httpx.post(f"{address}/v1/segment", files=files, timeout=120, trust_env=False)
    return answer.status_code == 200 and answer.json()["measures"]["area_px"] > 0


WAYS = {"page": ask_page, "http": ask_http}


def make_photos(count: int) -> list[bytes]:
    """Made-up photos as JPEG files, of different sizes."""
    photos = []
    for number in range(count):
        image, _ = make_lesion(np.random.default_rng(number), 480 + 40 * number, 640)
        photos.append(cv2.imencode(".jpg", image[..., ::-1])[1].tobytes())
    return photos


def ask(way: str, address: str, image: bytes) -> bool:
    """Whether a request was answered, whatever went wrong."""
    try:
        return WAYS[way](address, image)
    except (httpx.HTTPError, ValueError, KeyError):
        return False


def load_server(
    address: str, clients: int, requests: int, rounds: int, photos: list[bytes]
) -> list[Row]:
    """Asks again and again, in each way."""
    rows = []
    with ThreadPoolExecutor(clients) as pool:
        for number in range(rounds):
            for way in WAYS:
                answers = pool.map(
                    lambda at, way=way: ask(way, address, photos[at % len(photos)]),
                    range(requests),
                )
                failed = sum(not answered for answered in answers)
                told = httpx.get(f"{address}/metrics", trust_env=False).text
                memory = MEMORY.search(told)
                rows.append(
                    Row(number + 1, way, requests, failed, float(memory[1]) / 1e6 if memory else 0)
                )
    return rows


def load(clients: Number = 32, requests: Number = 500, rounds: Number = 3) -> int:
    """Load the demo with requests; exit code 1 if one fails.

    Args:
        clients: Clients at once.
        requests: Requests of each round and way.
        rounds: Rounds; memory must not grow from one to the next.
    """
    with TemporaryDirectory() as work, serve(Path(work), str(SHIPPED)) as address:
        rows = load_server(address, clients, requests, rounds, make_photos(8))
    say(tabulate(Row._fields, [(*row[:-1], f"{row.memory:.0f}") for row in rows]))
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    run(load)
