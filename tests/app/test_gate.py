"""Nothing is read but what the visitor uploaded, whichever way a request comes."""

import csv
import json
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.__main__ import MAX_STATES
from app.gate import REFUSED, Uploads, list_hosts
from app.page import HERE
from app.tabs.shared import EXAMPLES
from inference.errors import InputError
from inference.images.write import write_image
from inference.models import SHIPPED
from training.synthetic.lesion import make_lesion

pytestmark = pytest.mark.filterwarnings("ignore")  # gradio's own
META = {"_type": "gradio.FileData"}


class Visitor:
    """One session, which speaks to the server as the page does."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=f"{address}/gradio_api", timeout=60)
        self.session = uuid.uuid4().hex

    def upload(self, path: Path) -> str:
        answer = self.http.post("/upload", files={"files": (path.name, path.read_bytes())})
        return str(answer.json()[0])

    def ask(self, number: int, data: list[Any], event: Any = None) -> dict[str, Any]:
        """Runs an event, with what came along with it, and returns its last message."""
        body = {
            "data": data,
            "fn_index": number,
            "session_hash": self.session,
            "event_data": event,
        }
        self.http.post("/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", f"/queue/data?session_hash={self.session}") as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    return dict(message)
        raise AssertionError("no answer")


@pytest.fixture
def visitor(address: str) -> Iterator[Visitor]:
    visitor = Visitor(address)
    yield visitor
    visitor.http.close()


def find_events(visitor: Visitor) -> list[tuple[int, list[Any], list[str]]]:
    """Number, default inputs and input types of every event of the page; of those alike, one."""
    config = visitor.http.get("/../config").json()
    parts = {part["id"]: part for part in config["components"]}
    found = []
    alike = {str([each["inputs"], each["outputs"]]): each for each in config["dependencies"]}
    for event in alike.values():
        inputs = [parts[number] for number in event["inputs"]]
        values = [part["props"].get("value") for part in inputs]
        found.append((event["id"], values, [part["type"] for part in inputs]))
    return found


def test_no_event_takes_a_foreign_path(
    visitor: Visitor, address: str, photographs: list[Path], tmp_path: Path
) -> None:
    other = Visitor(address)
    image, _ = make_lesion(np.random.default_rng(77), 120, 160)  # which no other test uploads
    write_image(tmp_path / "theirs.jpg", image)
    theirs = other.upload(tmp_path / "theirs.jpg")
    (segment,) = (number for number, _, types in find_events(visitor) if types == ["image"])
    shown = other.ask(segment, [{"path": theirs}])
    assert shown["success"]
    result = shown["output"]["data"][1]["value"]["path"]
    link = tmp_path / "link.jpg"
    os.symlink(photographs[0], link)
    own = visitor.upload(photographs[0])
    folder = str(Path(own).parent)
    foreign = [str(photographs[0]), str(link), theirs, result, "/etc/passwd", "/proc/self/environ"]
    foreign += [f"{folder}/../{Path(theirs).parent.name}/{Path(theirs).name}", "/no/such/file.jpg"]
    foreign += ["http://127.0.0.1:9/x.jpg", "pyproject.toml", f"{folder}/./{Path(own).name}", ""]
    tried = 0
    for number, values, _ in find_events(visitor):
        for place in range(len(values)):
            for path in foreign:
                for file in (
                    {"path": path},
                    {"path": path, "meta": META},
                    {"path": path, "url": path},
                ):
                    for given in (file, [file]):
                        data = [*values[:place], given, *values[place + 1 :]]
                        answer = visitor.ask(number, data)
                        assert not answer["success"], (number, place, given)
                        assert answer["output"]["error"] == REFUSED, (number, place, given)
                        tried += 1
    assert tried > 1000
    assert visitor.ask(segment, [{"path": own}])["success"]
    other.http.close()


def test_the_canvas_may_send_anything(visitor: Visitor, photographs: list[Path]) -> None:
    config = visitor.http.get("/../config").json()
    (canvas,) = (
        part["id"] for part in config["components"] if part["props"].get("elem_id") == "canvas"
    )
    events = {
        name: event["id"]
        for event in config["dependencies"]
        for target, name in event["targets"]
        if target == canvas
    }
    (segment,) = (number for number, _, types in find_events(visitor) if types == ["image"])
    assert visitor.ask(segment, [{"path": visitor.upload(photographs[0])}])["success"]
    wrong = [None, [], "x", {"strokes": [{"adds": True}]}, {"path": "/etc/passwd", "meta": META}]
    for given in wrong:
        for name, data in (("input", [None]), ("select", [])):
            answer = visitor.ask(events[name], data, given)
            error = answer["output"]["error"]
            # The last is gradio's own.
            told = ("reload the page", "two different points", "cannot be accessed")
            assert not answer["success"] and any(words in error for words in told)
    stroke = {"adds": True, "radius": 3, "points": [[9, 9]]}
    assert visitor.ask(events["input"], [None], {"strokes": [stroke]})["success"]


def test_direct_calls_refuse_them_alike(visitor: Visitor, photographs: list[Path]) -> None:
    for path in (str(photographs[0]), "/no/such/file.jpg"):
        body = {"data": [{"path": path}, 0.5, True, True]}
        answer = visitor.http.post("/run/segment", json=body)
        assert answer.status_code == 422 and answer.json()["error"] == REFUSED


def test_two_visitors_with_one_photograph_both_may_use_it(
    address: str, photographs: list[Path]
) -> None:
    visitors = [Visitor(address), Visitor(address)]
    paths = [visitor.upload(photographs[0]) for visitor in visitors]
    (segment,) = (number for number, _, types in find_events(visitors[0]) if types == ["image"])
    for visitor, path in zip(visitors, paths):
        for _ in range(2):
            assert visitor.ask(segment, [{"path": path}])["success"]


def test_of_many_visits_the_oldest_are_forgotten(
    visitor: Visitor, address: str, photographs: list[Path]
) -> None:
    """What is kept of each is megabytes."""
    events = find_events(visitor)
    (segment,) = (number for number, _, types in events if types == ["image"])
    shows = [(number, values) for number, values, types in events if types[:1] == ["state"]]
    assert visitor.ask(segment, [{"path": visitor.upload(photographs[0])}])["success"]

    def look(visitor: Visitor) -> list[str]:
        """What the events show that draw from what is kept; gradio's objects without their address."""
        answers = [visitor.ask(number, values) for number, values in shows]
        return [re.sub("0x[0-9a-f]+", "", str(answer["output"].get("data"))) for answer in answers]

    stranger = Visitor(address)
    nothing = look(stranger)
    stranger.http.close()
    assert look(visitor) != nothing
    for number in range(MAX_STATES + 1):
        body = {"data": [], "session_hash": f"{visitor.session}-{number}"}
        visitor.http.post("/run/describe", json=body).raise_for_status()
    assert look(visitor) == nothing


def test_an_upload_belongs_to_the_first_session_that_uses_it() -> None:
    uploads = Uploads()
    uploads.update(["a"])
    assert uploads.take("a", "one") and uploads.take("a", "one")
    assert not uploads.take("a", "two") and not uploads.take("b", "one")
    uploads.update(["a"])
    assert uploads.take("a", "two") and not uploads.take("a", "three")
    uploads.remove("a")
    uploads.update(["b"])
    assert not uploads.take("a", "one")


def test_another_name_for_this_machine_is_refused(address: str) -> None:
    port = address.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", ""):
        assert httpx.get(f"{address}/config", headers={"Host": host}).status_code == 400
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert httpx.get(f"{address}/config", headers={"Host": host}).status_code == 200


def test_hosts() -> None:
    assert list_hosts("0.0.0.0") == ["*"]
    assert "*" not in list_hosts("0.0.0.0", ("demo.example.org",))
    assert {"localhost", "192.0.2.1"} <= set(list_hosts("192.0.2.1"))
    for wrong in ("http://demo.example.org", "demo:80", "*", "a*b", ""):
        with pytest.raises(InputError, match="--allowed-hosts"):
            list_hosts("127.0.0.1", (wrong,))


def test_examples_are_photographs_that_were_not_trained_on() -> None:
    with SHIPPED.with_suffix(".splits.csv").open(encoding="utf-8") as table:
        split = {row["name"]: row["split"] for row in csv.DictReader(table)}
    names = [path.stem for path in EXAMPLES]
    assert len(names) == 6 and {split.get(name) for name in names} == {"test"}
    credited = (HERE / "examples" / "CREDITS.md").read_text(encoding="utf-8")
    assert all(name in credited for name in names)
